// Who the visitor is to the server: a random token that this browser makes and forgets when it is closed.

export const NAME = "latentfx-visit";
const TOKEN = /^[0-9a-f]{32,64}$/;

function newToken() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Return the path below which all pages of the server lie, which is that of the cookie. */
export function basePath(page = document) {
  const config = page.getElementById("jupyter-config-data");
  try {
    return JSON.parse(config.textContent).baseUrl || "/";
  } catch {
    return "/"; // there is no such element, or it holds something else
  }
}

function fromCookie(page) {
  const pair = page.cookie.split("; ").find((one) => one.startsWith(`${NAME}=`));
  return pair?.slice(NAME.length + 1);
}

function keep(page, storage, token) {
  const secure = page.location.protocol === "https:" ? "; Secure" : "";
  page.cookie = `${NAME}=${token}; SameSite=Strict; Path=${basePath(page)}${secure}`;
  if (fromCookie(page) !== token) storage().setItem(NAME, token); // cookies are refused
}

function fromStorage(storage) {
  try {
    return storage().getItem(NAME);
  } catch {
    return null; // refused as well
  }
}

/** Return the token of this visit, made at the first call; null if the browser keeps none. */
export function visitToken(page = document, storage = () => sessionStorage) {
  const found = fromCookie(page) ?? fromStorage(storage);
  if (TOKEN.test(found ?? "")) return found;
  const token = newToken();
  try {
    keep(page, storage, token);
  } catch {
    return null; // a page that cannot keep it would be another visitor each time
  }
  return token;
}

/** Tell Python who the visitor is, now and whenever the page is looked at again; return how to stop that. */
export function tellVisit(model, page = document) {
  if (!page.documentElement.classList.contains("lfx-dashboard")) return () => {};
  const tell = () => {
    if (page.visibilityState === "visible") model.send({ kind: "visit", token: visitToken(page) });
  };
  page.addEventListener("visibilitychange", tell);
  tell();
  return () => page.removeEventListener("visibilitychange", tell);
}
