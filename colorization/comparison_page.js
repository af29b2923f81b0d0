"use strict";
// Without scripts the page shows all pictures; this adds the slider and the enlargement.
(() => {
  const find = (selector, inside = document) => inside.querySelector(selector);
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];

  // The slider: two columns of a row on top of each other, the left one cut off at --cut.
  const compare = find("#compare"), strips = all(".strip");
  if (compare && strips.length) {
    const stage = find(".stage", compare), handle = find(".handle", compare);
    const row = find("#row"), sides = { left: find("#left"), right: find("#right") };
    const STEP = 2, LEAP = 10; // percent

    const cut = (percent) => {
      percent = Math.min(100, Math.max(0, percent));
      stage.style.setProperty("--cut", percent + "%");
      handle.setAttribute("aria-valuenow", Math.round(percent));
    };
    const position = () => Number(handle.getAttribute("aria-valuenow"));

    const show = () => {
      const strip = strips[row.value];
      for (const [side, choice] of Object.entries(sides)) {
        const shown = find("img." + side, stage), name = find("." + side + "-name", stage);
        const caption = choice.options[choice.value].text;
        const picture = find(`[data-column="${choice.value}"] img`, strip);
        shown.hidden = !picture;
        if (picture) {
          shown.src = picture.getAttribute("src");
          shown.alt = caption;
        }
        name.textContent = picture ? caption : caption + ": no result";
      }
      const { width, height } = strip.dataset;
      stage.style.aspectRatio = width + " / " + height;
      stage.style.maxWidth = `min(100%, 48rem, 80vh * ${width / height})`;
    };

    const point = (event) => {
      const box = stage.getBoundingClientRect();
      cut((100 * (event.clientX - box.left)) / box.width);
    };
    stage.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      stage.setPointerCapture(event.pointerId);
      handle.focus({ preventScroll: true });
      point(event);
      event.preventDefault();
    });
    stage.addEventListener("pointermove", (event) => {
      if (stage.hasPointerCapture(event.pointerId)) point(event);
    });
    handle.addEventListener("keydown", (event) => {
      const places = {
        ArrowLeft: position() - STEP, ArrowDown: position() - STEP, PageDown: position() - LEAP,
        ArrowRight: position() + STEP, ArrowUp: position() + STEP, PageUp: position() + LEAP,
        Home: 0, End: 100,
      };
      if (!(event.key in places) || event.ctrlKey || event.altKey || event.metaKey) return;
      cut(places[event.key]);
      event.preventDefault();
    });

    const move = (step) => {
      row.value = (Number(row.value) + step + strips.length) % strips.length;
      show();
    };
    find("#previous").addEventListener("click", () => move(-1));
    find("#next").addEventListener("click", () => move(1));
    find("#swap").addEventListener("click", () => {
      [sides.left.value, sides.right.value] = [sides.right.value, sides.left.value];
      show();
    });
    for (const choice of [row, sides.left, sides.right]) choice.addEventListener("change", show);
    strips.forEach((strip, number) => {
      const button = find("h3 button", strip);
      button.hidden = false;
      button.addEventListener("click", () => {
        row.value = number;
        show();
        compare.scrollIntoView();
        handle.focus({ preventScroll: true });
      });
    });
    compare.hidden = false;
    cut(50);
    show();
  }

  // The enlargement: a picture in the whole window, and its neighbours in the row.
  const zoom = find("#zoom"), scroll = find(".scroll", zoom), large = find("img", zoom);
  const NEAR = 3; // at the least, how much larger than the window a near picture is
  let neighbours = [], current = 0, scale = 1, size = { width: 1, height: 1 };

  const fit = () =>
    Math.min(scroll.offsetWidth, (scroll.offsetHeight * size.width) / size.height);
  const enlarge = (wanted, x = 0.5, y = 0.5) => {
    const left = (scroll.scrollLeft + x * scroll.clientWidth) / scroll.scrollWidth;
    const top = (scroll.scrollTop + y * scroll.clientHeight) / scroll.scrollHeight;
    scale = Math.min(16, Math.max(1, wanted));
    large.style.setProperty("--width", Math.floor(fit() * scale) + "px");
    scroll.classList.toggle("near", scale > 1);
    scroll.scrollLeft = left * scroll.scrollWidth - x * scroll.clientWidth;
    scroll.scrollTop = top * scroll.scrollHeight - y * scroll.clientHeight;
  };
  const look = (step) => {
    current = (current + step + neighbours.length) % neighbours.length;
    const picture = find("img", neighbours[current]);
    large.src = picture.getAttribute("src");
    large.alt = picture.alt;
    size = { width: picture.getAttribute("width"), height: picture.getAttribute("height") };
    find(".bar span", zoom).textContent = picture.alt;
    enlarge(scale);
  };
  window.addEventListener("resize", () => zoom.open && enlarge(scale));
  all(".picture").forEach((button) => button.addEventListener("click", () => {
    neighbours = all(".picture", button.closest("[data-row]"));
    current = neighbours.indexOf(button);
    scale = 1;
    zoom.showModal();
    look(0);
    scroll.focus();
  }));
  large.addEventListener("click", (event) => {
    const box = scroll.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
    enlarge(scale > 1 ? 1 : Math.max(NEAR, size.width / fit()), x, y);
  });
  scroll.addEventListener("click", (event) => event.target === scroll && zoom.close());
  find("#zoom-previous").addEventListener("click", () => look(-1));
  find("#zoom-next").addEventListener("click", () => look(1));
  find("#zoom-close").addEventListener("click", () => zoom.close());
  zoom.addEventListener("keydown", (event) => {
    const actions = {
      ArrowLeft: () => look(-1), ArrowRight: () => look(1),
      "+": () => enlarge(scale * 1.5), "=": () => enlarge(scale * 1.5),
      "-": () => enlarge(scale / 1.5),
    };
    if (!(event.key in actions) || event.ctrlKey || event.altKey || event.metaKey) return;
    actions[event.key]();
    event.preventDefault();
  });
})();
