// What `make lint` checks of the widgets' JavaScript and its tests.
import js from "@eslint/js";
import globals from "globals";

const readable = {
  "max-len": ["error", { code: 120 }],
  "max-lines": ["error", 200],
  "max-lines-per-function": ["error", { max: 30, skipBlankLines: true }],
  "no-var": "error",
  "prefer-const": "error",
  eqeqeq: "error",
};

export default [
  { ignores: ["node_modules/", "build/", "dist/", ".venv/"] },
  js.configs.recommended,
  { files: ["latentfx_nb/widgets/*.js"], languageOptions: { globals: globals.browser }, rules: readable },
  {
    files: ["latentfx_nb/serving/**/*.js"], // a plain script that runs before anything else
    languageOptions: { globals: globals.browser, sourceType: "script" },
    rules: { ...readable, "max-lines-per-function": "off", "no-unused-vars": "off" },
  },
  {
    files: ["eslint.config.js", "tests/js/*.js"],
    languageOptions: { globals: globals.node },
    rules: { ...readable, "max-lines-per-function": "off" },
  },
];
