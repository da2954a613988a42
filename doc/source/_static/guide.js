// The phone's menu button, and the keyboard's way into wide code blocks.
// Without this script the menu is simply open.
"use strict";

const menu = document.querySelector(".guide-menu");
const contents = document.getElementById("guide-contents");
document.documentElement.classList.add("guide-script");
menu.hidden = false;
menu.addEventListener("click", () => {
  const open = menu.getAttribute("aria-expanded") !== "true";
  menu.setAttribute("aria-expanded", String(open));
  contents.classList.toggle("guide-open", open);
});

function letKeysScroll() {
  for (const box of document.querySelectorAll("pre, .guide-wide")) {
    if (box.scrollWidth > box.clientWidth) {
      box.tabIndex = 0;
    } else {
      box.removeAttribute("tabindex");
    }
  }
}

for (const table of document.querySelectorAll(".docs-body table.docutils")) {
  const box = document.createElement("div");
  box.className = "guide-wide";
  table.replaceWith(box);
  box.append(table);
}
letKeysScroll();
window.addEventListener("resize", letKeysScroll);
