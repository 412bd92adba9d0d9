"use strict";

// Light or dark as Airflow's UI around this page; in a window of its own as Airflow's last choice, or the system's.
function followTheme() {
  const apply = (theme) => {
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  };
  try {
    if (window.parent === window) {
      apply(window.localStorage.getItem("theme"));
      return;
    }
    const outer = window.parent.document.documentElement;
    const read = () => apply(outer.classList.contains("dark") ? "dark" : outer.classList.contains("light") ? "light" : null);
    read();
    new MutationObserver(read).observe(outer, { attributes: true, attributeFilter: ["class"] });
  } catch {
    // The page around this one is of another site: the system's choice stays.
  }
}

// Where the page is. All that it loads comes from there.
const root = new URL("../", document.currentScript.src);

// Whether an address is one of this Airflow; javascript: is not.
function isOurs(address) {
  try {
    const url = new URL(address, document.baseURI);
    return /^https?:$/.test(url.protocol) && url.origin === location.origin;
  } catch {
    return false;
  }
}

// Remove what the server never sends: what runs, what loads, what leads elsewhere.
function clean(body) {
  const foreign = "script, style, iframe, frame, object, embed, base, meta, link, template, [srcdoc]";
  for (const element of body.querySelectorAll(foreign)) element.remove();
  for (const element of body.querySelectorAll("*")) {
    for (const { name, localName, value } of [...element.attributes]) {
      const leads = ["href", "src", "action", "formaction"].includes(localName);
      if (name.startsWith("on") || (leads && !isOurs(value))) element.removeAttribute(name);
    }
  }
  return body;
}

async function load(place) {
  try {
    const address = new URL(place.dataset.fragment, location);
    if (address.origin !== root.origin || !address.pathname.startsWith(root.pathname)) throw new Error("not the page's");
    const response = await fetch(address, {
      redirect: "error",
      headers: { "X-Objectstore-Fragment": "1" },
      credentials: "same-origin",
      signal: AbortSignal.timeout(60000),
    });
    const isPart = response.headers.get("X-Objectstore-Fragment") === "1";
    const isHtml = (response.headers.get("Content-Type") || "").startsWith("text/html");
    if (!isPart || !isHtml || new URL(response.url).pathname !== address.pathname) throw new Error("not a part of the page");
    // The server has escaped everything, and the content policy lets no script in it run.
    const received = new DOMParser().parseFromString(await response.text(), "text/html");
    place.replaceChildren(...clean(received.body).childNodes);
  } catch {
    const failed = document.createElement("p");
    failed.className = "error";
    failed.textContent = "Airflow's API server did not answer. Load the page again.";
    place.replaceChildren(failed);
  }
  place.removeAttribute("aria-busy");
  // For screen readers: a word, not the whole table.
  document.getElementById("news").textContent = `${place.dataset.title}: loaded`;
  loadAll(place);
}

// What is far below waits until somebody scrolls there.
const seen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        seen.unobserve(entry.target);
        load(entry.target);
      }
    }
  },
  { rootMargin: "600px" },
);

function loadAll(root) {
  for (const place of root.querySelectorAll("[data-fragment]")) seen.observe(place);
}

// Airflow shows this page in a frame that may not lead its own window elsewhere: a link to Airflow's UI is followed there.
function leadOut(event) {
  const link = event.target.closest("a[data-airflow]");
  if (!link || window.parent === window || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  // Airflow's window has no content policy.
  if (!isOurs(link.href)) return;
  const outer = window.parent.document;
  const copy = outer.createElement("a");
  copy.href = link.href;
  outer.body.append(copy);
  copy.click();
  copy.remove();
}

followTheme();
document.addEventListener("click", leadOut);
loadAll(document);
