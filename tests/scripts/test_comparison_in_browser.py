"""The page of a comparison in Chromium: what a reader does with it, from the file itself."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from module_from_file import load_module

from colorization.images import Picture, write_image

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

SCRIPT = Path(__file__).parents[2] / "scripts" / "compare_results.py"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DRIVERS = (
    "chromedriver",
    "/usr/lib/chromium/chromedriver",
    "/usr/lib/chromium-browser/chromedriver",
)
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
DRIVER = next(filter(None, map(shutil.which, DRIVERS)), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
NAME = "<b>an unusually-long_name&of'a\"set"
PHONE = dict(width=390, height=844, deviceScaleFactor=2, mobile=True)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="there is no Chromium with its driver"),
]


def picture(seed, height=40, width=56):
    colours = np.random.default_rng(seed).integers(40, 220, (2, 2, 3), dtype=np.uint8)
    return colours.repeat(height // 2, axis=0).repeat(width // 2, axis=1)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Return the address of the page of a comparison in which one result is missing."""
    folder = tmp_path_factory.mktemp("comparison")
    for number in range(3):
        name, original = f"a_long_name_of_a_frame_{number:020d}.png", picture(number)
        write_image(folder / "truth" / name, Picture(original))
        write_image(folder / "near" / name, Picture(original + np.uint8(9)))
        if number != 1:
            write_image(folder / "far" / name, Picture(255 - original))
    module = load_module(SCRIPT)
    sets = (f"{NAME}={folder / 'near'}", f"far={folder / 'far'}")
    film = ("--film", str(folder / "out" / "100% #1.mp4"))
    command = (*sets, "--truth", str(folder / "truth"), "--output", str(folder / "out"), *film)
    assert module.main(list(command)) == 1
    return (folder / "out" / "index.html").as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, page):
    """Open the page at a desk's size; in the end nothing may have been complained of."""
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.set_window_size(1200, 900)
    browser.get(page)
    yield browser
    assert browser.get_log("browser") == []


def one(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def cut(browser):
    """Return how much of the left picture is shown, in percent, as the browser draws it."""
    style = "getComputedStyle(document.querySelector('.stage .left')).clipPath"
    hidden = re.search(r"inset\(0px (?:calc\()?([^)]*)", browser.execute_script("return " + style))
    percent = [float(number) for number in re.findall(r"([\d.]+)%", hidden.group(1))]
    return 100 - percent[0] if len(percent) == 1 else percent[0] - percent[1]


def names(browser):
    return [one(browser, f".{side}-name").text for side in ("left", "right")]


def too_wide(browser):
    """Return the elements that reach beyond the window, except in boxes that scroll."""
    return browser.execute_script("""
        const scrolls = (e) =>
            e !== document.body &&
            (getComputedStyle(e).overflowX !== "visible" || scrolls(e.parentElement));
        return [...document.body.querySelectorAll("*")]
            .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e))
            .map((e) => e.outerHTML.slice(0, 120));
    """)


def load_all(browser):
    """Open what is folded up and have all pictures loaded; return those that did not."""
    return browser.execute_async_script("""
        const done = arguments[0];
        document.querySelectorAll("details").forEach((each) => { each.open = true; });
        const images = [...document.querySelectorAll("img[src]")];
        images.forEach((each) => { each.loading = "eager"; });
        const loaded = (image) => image.decode().then(() => null, () => image.src);
        Promise.all(images.map(loaded)).then((broken) => done(broken.filter(Boolean)));
    """)


def test_all_pictures_are_there(opened):
    assert load_all(opened) == []
    assert len(opened.find_elements(By.CSS_SELECTOR, ".strip .picture")) == 3 * 4 - 1
    assert len(opened.find_elements(By.CSS_SELECTOR, ".missing")) == 1
    duration = "const v = document.querySelector('video'); const done = arguments[0];"
    duration += "const tell = () => done(v.duration); v.readyState ? tell() : "
    duration += "v.addEventListener('loadedmetadata', tell)"
    assert opened.execute_async_script(duration) == pytest.approx(3 / 25, abs=0.02)


def test_names_are_text(opened):
    captions = opened.find_elements(By.CSS_SELECTOR, ".strip:first-of-type figcaption")
    assert [caption.text for caption in captions] == ["grey", NAME, "far", "ground truth"]
    assert names(opened) == [NAME, "ground truth"]
    assert opened.find_elements(By.CSS_SELECTOR, "b") == []


def test_the_slider_by_pointer_and_by_keys(opened):
    assert cut(opened) == pytest.approx(50)
    stage = one(opened, ".stage")
    width = stage.size["width"]
    drag = ActionChains(opened, duration=20).move_to_element_with_offset(stage, -width // 4, 20)
    drag.click_and_hold().move_by_offset(width // 2, 0).release().perform()
    assert cut(opened) == pytest.approx(75, abs=1)
    ActionChains(opened).move_to_element(stage).perform()  # the button is up: nothing moves
    assert cut(opened) == pytest.approx(75, abs=1)
    handle = one(opened, ".handle")
    for key, expected in ((Keys.HOME, 0), (Keys.ARROW_RIGHT, 2), (Keys.END, 100)):
        handle.send_keys(key)
        assert cut(opened) == pytest.approx(expected)
        assert handle.get_attribute("aria-valuenow") == str(expected)


def test_the_slider_by_touch(opened):
    box = opened.execute_script(
        "const stage = document.querySelector('.stage'); stage.scrollIntoView({block: 'center'});"
        "const {x, y, width, height} = stage.getBoundingClientRect(); return [x, y, width, height]"
    )
    opened.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    points = [{"x": box[0] + share * box[2], "y": box[1] + box[3] / 2} for share in (0.5, 0.4, 0.2)]
    for kind, point in zip(("touchStart", "touchMove", "touchMove"), points):
        event = {"type": kind, "touchPoints": [point]}
        opened.execute_cdp_cmd("Input.dispatchTouchEvent", event)
    opened.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    opened.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    assert cut(opened) == pytest.approx(20, abs=1)


def test_two_columns_of_a_row_are_chosen(opened):
    one(opened, "#left option:nth-child(3)").click()
    assert names(opened) == ["far", "ground truth"]
    first = one(opened, ".stage .left").get_attribute("src")
    one(opened, "#next").click()
    assert names(opened) == ["far: no result", "ground truth"]
    assert not one(opened, ".stage .left").is_displayed()
    one(opened, "#next").click()
    one(opened, "#swap").click()
    assert names(opened) == ["ground truth", "far"]
    assert one(opened, ".stage .right").get_attribute("src").endswith("000002_2.jpg")
    one(opened, ".strip h3 button").click()
    assert one(opened, ".stage .right").get_attribute("src") == first


def test_a_picture_is_enlarged_and_closed(opened):
    zoom, thumbnail = one(opened, "#zoom"), one(opened, ".strip [data-column='1'] .picture")
    assert not zoom.is_displayed()
    thumbnail.send_keys(Keys.ENTER)
    large = one(opened, "#zoom img")
    assert zoom.is_displayed()
    assert large.size["height"] > 3 * thumbnail.size["height"]
    label = f"{NAME}: a_long_name_of_a_frame_{0:020d}.png"
    assert one(opened, "#zoom span").text == label
    fitting = large.size["width"]
    large.click()
    assert large.size["width"] == pytest.approx(3 * fitting, abs=3)
    scroll = one(opened, "#zoom .scroll")
    before = scroll.get_property("scrollLeft")
    assert 0 < before < scroll.get_property("scrollWidth") - scroll.get_property("clientWidth")
    ActionChains(opened).send_keys(Keys.ARROW_RIGHT).perform()
    assert one(opened, "#zoom span").text.startswith("far: ")
    assert large.get_attribute("src").endswith("000000_2.jpg")
    assert scroll.get_property("scrollLeft") == pytest.approx(before, abs=2)  # the same place
    ActionChains(opened).send_keys(Keys.ESCAPE).perform()
    assert not zoom.is_displayed()


def test_the_gallery_pairs_result_and_original(opened):
    details = one(opened, "details")
    one(opened, "summary").click()
    pair = details.find_elements(By.CSS_SELECTOR, ".pair:first-child .picture")[:2]
    pair[0].click()
    assert not one(opened, "#zoom span").text.startswith("ground truth")
    one(opened, "#zoom-next").click()
    assert one(opened, "#zoom span").text.startswith("ground truth")
    one(opened, "#zoom-close").click()
    assert not one(opened, "#zoom").is_displayed()


def test_nothing_is_too_wide_for_a_phone(opened):
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    opened.refresh()
    assert load_all(opened) == []
    assert opened.execute_script("return innerWidth") == PHONE["width"]
    assert opened.execute_script("return document.documentElement.scrollWidth") == PHONE["width"]
    assert too_wide(opened) == []
    one(opened, ".strip .picture").click()
    assert one(opened, "#zoom img").size["width"] <= PHONE["width"]
    assert too_wide(opened) == []
