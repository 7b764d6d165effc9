// Charts that answer to the pointer: the page's own SVG stands until the same spec is drawn again by Vega.
// Vega is fetched from this very service, and only when a chart is looked at.

const vega = document.querySelector("script[data-vega]").dataset.vega;
let library;

async function enliven(plot) {
  const spec = plot.querySelector("script[type='application/json']");
  const still = plot.querySelector("svg");
  if (!spec || plot.dataset.alive) return;
  plot.dataset.alive = "yes";
  library ??= import(vega);
  await library;
  const place = document.createElement("div");
  place.className = "vega";
  place.hidden = true;
  const box = still.getBoundingClientRect();
  place.style.aspectRatio = `${box.width} / ${box.height}`;
  plot.append(place);
  await window.rigOrRentChart(place, JSON.parse(spec.textContent));
  place.setAttribute("aria-hidden", "true");
  place.querySelectorAll("[tabindex]").forEach((each) => each.removeAttribute("tabindex"));
  place.hidden = false;
  still.remove();
}

function watch(root) {
  for (const plot of root.querySelectorAll(".plot")) {
    for (const event of ["pointerenter", "pointerdown"]) {
      plot.addEventListener(event, () => enliven(plot), { once: true, passive: true });
    }
  }
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
      button.nextElementSibling.textContent = button.dataset.done;
    });
  }
  root.querySelector("#problem")?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.getElementById("vg-tooltip-element")?.classList.remove("visible");
});
watch(document);
