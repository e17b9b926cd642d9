import assert from "node:assert/strict";
import { test } from "node:test";

import { basePath, NAME, tellVisit, visitToken } from "../../latentfx_nb/widgets/visit.js";

/** A page whose cookies are kept, or refused; it notes what was set. */
function page({ cookie = "", keeps = true, protocol = "http:", baseUrl } = {}) {
  const listeners = new Set();
  return {
    set: [],
    get cookie() {
      return cookie;
    },
    set cookie(text) {
      this.set.push(text);
      if (keeps) cookie = text.split(";")[0];
    },
    location: { protocol },
    visibilityState: "visible",
    documentElement: { classList: { contains: () => true } },
    getElementById: () => (baseUrl ? { textContent: JSON.stringify({ baseUrl }) } : null),
    addEventListener: (_, listener) => listeners.add(listener),
    removeEventListener: (_, listener) => listeners.delete(listener),
    look: () => listeners.forEach((listener) => listener()),
  };
}

function storage() {
  const kept = new Map();
  const getItem = (name) => kept.get(name) ?? null;
  return { kept, getItem, setItem: (name, value) => kept.set(name, value) };
}

test("a token has 128 random bits and stays in a cookie of the session, for this server only", () => {
  const [one, kept] = [page({ baseUrl: "/lfx/" }), storage()];
  const token = visitToken(one, () => kept);
  assert.match(token, /^[0-9a-f]{32}$/);
  assert.deepEqual(one.set, [`${NAME}=${token}; SameSite=Strict; Path=/lfx/`]);
  assert.equal(visitToken(one, () => kept), token);
  assert.equal(one.set.length, 1);
  assert.equal(kept.kept.size, 0);
  assert.notEqual(visitToken(page(), storage), token);
});

test("where pages come encrypted, the cookie does not go unencrypted", () => {
  const one = page({ protocol: "https:" });
  visitToken(one, storage);
  assert.match(one.set[0], /; Path=\/; Secure$/);
});

test("where cookies are refused, the token stays in the tab", () => {
  const [one, kept] = [page({ keeps: false }), storage()];
  const token = visitToken(one, () => kept);
  assert.equal(visitToken(one, () => kept), token);
  assert.equal(kept.kept.get(NAME), token);
});

test("where nothing can be kept, there is no token", () => {
  const refuse = () => {
    throw new Error("SecurityError");
  };
  assert.equal(visitToken(page({ keeps: false }), refuse), null);
});

test("a cookie that is no token gives way to a new one, and other cookies stay out of it", () => {
  const one = page({ cookie: `_xsrf=abc; ${NAME}=../../etc` });
  assert.match(visitToken(one, storage), /^[0-9a-f]{32}$/);
  const token = "0f".repeat(16);
  assert.equal(visitToken(page({ cookie: `_xsrf=abc; ${NAME}=${token}; other=1` }), storage), token);
});

test("Python is told at once, and when the page is looked at again", () => {
  const [one, sent] = [page({ cookie: `${NAME}=${"0f".repeat(16)}` }), []];
  const stop = tellVisit({ send: (message) => sent.push(message) }, one);
  one.visibilityState = "hidden";
  one.look();
  one.visibilityState = "visible";
  one.look();
  stop();
  one.look();
  assert.deepEqual(sent, Array(2).fill({ kind: "visit", token: "0f".repeat(16) }));
});

test("only a dashboard is told", () => {
  const one = page();
  one.documentElement.classList.contains = () => false;
  tellVisit({ send: () => assert.fail("it was told") }, one);
});

test("the base path is the server's, or the root", () => {
  assert.equal(basePath(page()), "/");
  assert.equal(basePath(page({ baseUrl: "/user/ann/" })), "/user/ann/");
});
