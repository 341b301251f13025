import ast
import json
import logging
import math
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from searches import branin

import shac
from shac.insight import ColumnScale, stage_marginals, view_of

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

needs_browser = pytest.mark.skipif(not CHROMIUM or not DRIVER, reason="no Chromium with its driver")


def picky(worker_id: int, parameters: Any) -> float:
    if parameters["x"] > 9:
        raise RuntimeError("</script><b>too far right</b>")
    return branin(worker_id, parameters) + (0.1 if parameters["kind"] == "</script>" else 0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    space = [
        shac.UniformHP("x", -5.0, 10.0),
        shac.UniformHP("y", 0.0, 15.0),
        shac.DiscreteHP("kind", ["a", "</script>", "<!--", None]),
        shac.LogIntegerHP("width", 1, 1000),
        shac.MultiUniformHP("many", 0.0, 1.0, sample_count=2),
    ]
    path = tmp_path_factory.mktemp("search") / "run & <b>son"
    engine = shac.SHAC(picky, space, 100, 10, "min", save_dir=path, seed=0)
    engine.concurrent_evaluators()
    logging.getLogger("shac").setLevel(logging.CRITICAL)
    engine.fit()
    logging.getLogger("shac").setLevel(logging.NOTSET)
    # The journal of the engine, or one line as it writes them
    journal = path / "journal.jsonl"
    failed = next(i for i, score in enumerate(engine.dataset.Y) if score != score)  # noqa: PLR0124
    if not journal.exists():
        line = {"index": failed, "error": "RuntimeError: </script><b>too far right</b>", "traceback": "Traceback: here"}
        journal.write_text(json.dumps(line) + '\n{"torn')
    return path


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    return shac.write_report(folder, folder.parent / "report.html")


@pytest.fixture(scope="module")
def browser(page: Path) -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync",
                     "disable-background-networking", "disable-component-update", "window-size=1300,2400"):  # fmt: skip
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    try:
        driver.get(page.as_uri())
        deadline = time.monotonic() + 30
        while driver.execute_script("return document.querySelectorAll('.plot:not([data-drawn])').length"):
            assert time.monotonic() < deadline, "the plots are not drawn within 30 s"
            time.sleep(0.1)
        yield driver
    finally:
        driver.quit()


def test_the_page_needs_no_network(page: Path) -> None:
    text = page.read_text()
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)=\"(?!#|data:)[^\"]*\"", own)
    assert "run &amp; &lt;b&gt;son" in text


def test_figures_cannot_end_the_script_they_stand_in(page: Path) -> None:
    (figures,) = re.findall(r'id="figures">(.*?)</script>', page.read_text(), flags=re.DOTALL)
    assert set(json.loads(figures)) == {"history", "region", "volume", "importance", "slices", "parallel"}


def test_an_engine_and_its_folder_give_the_same_page(folder: Path, page: Path) -> None:
    engine = shac.SHAC(None, None, 100, 10, "min", save_dir=folder)
    engine.restore_data()
    assert shac.write_report(engine, "again.html").read_bytes() == page.read_bytes()


def test_a_search_that_has_only_begun_has_a_report() -> None:
    engine = shac.SHAC(None, [shac.UniformHP("x", 0.0, 1.0)], 100, 10, save_dir="new")
    text = shac.write_report(engine, "new.html", title="Just begun").read_text()
    assert "Just begun" in text
    assert "No evaluation has a score yet." in text


@needs_browser
def test_no_console_error_and_no_request(browser: Any) -> None:
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    requests = [
        json.loads(entry["message"])["message"]["params"]["request"]["url"]
        for entry in browser.get_log("performance")
        if '"Network.requestWillBeSent"' in entry["message"]
    ]
    assert [url for url in requests if url.startswith("http")] == []


@needs_browser
def test_no_button_sends_a_plot_anywhere(browser: Any) -> None:
    titles = "return [...document.querySelectorAll('.modebar-btn')].map(button => button.dataset.title)"
    buttons = set(browser.execute_script(titles))
    assert "Download plot as a PNG" in buttons
    assert not [title for title in buttons if re.search("share|cloud|send|upload|edit|studio", title.lower())]


@needs_browser
def test_every_plot_is_drawn(browser: Any) -> None:
    counts = browser.execute_script(
        "return Object.fromEntries([...document.querySelectorAll('.plot')].map(p => [p.dataset.figure,"
        " p.querySelectorAll('.main-svg path, .main-svg image, .heatmaplayer image').length]))"
    )
    assert set(counts) == {"history", "region", "volume", "importance", "slices", "parallel"}
    assert all(count > 3 for count in counts.values()), counts
    maps = browser.execute_script("return document.querySelectorAll('[data-figure=region] .heatmaplayer image').length")
    assert maps == 6  # one for each column


@needs_browser
def test_the_menu_shows_the_scores_by_another_parameter(browser: Any) -> None:
    state = "const p = document.querySelector('[data-figure=slices]'); return [p.data[0].x, p.layout.xaxis.ticktext]"
    before = browser.execute_script(state)
    browser.execute_script(
        "const p = document.querySelector('[data-figure=slices]'); const menu = p.layout.updatemenus[0];"
        " const button = menu.buttons[(menu.active + 1) % menu.buttons.length]; Plotly.update(p, ...button.args)"
    )
    after = browser.execute_script(state)
    assert len(after[0]) == len(before[0])
    assert after[0] != before[0]
    assert after[1] != before[1]


@needs_browser
def test_a_click_sorts_a_table(browser: Any) -> None:
    def scores() -> list[float]:
        cells = "return [...document.querySelectorAll('#evaluations-table tbody tr')].map(r => r.cells[2].textContent)"
        return [math.nan if text == "failed" else float(text) for text in browser.execute_script(cells)]

    head = "document.querySelectorAll('#evaluations-table th button')[2].click()"
    before = scores()
    assert len(before) == 100
    browser.execute_script(head)
    finite = [score for score in before if score == score]  # noqa: PLR0124
    assert scores()[: len(finite)] == sorted(finite)
    browser.execute_script(head)
    assert scores()[-len(finite) :] == sorted(finite, reverse=True)


@needs_browser
def test_a_click_copies_the_best_setting(browser: Any, folder: Path) -> None:
    from selenium.webdriver.common.by import By

    engine = shac.SHAC(None, None, 100, 10, "min", save_dir=folder)
    engine.restore_data()
    best = dict(engine.dataset.get_best_parameters("min"))
    python, plain = browser.find_elements(By.CSS_SELECTOR, "button.copy")
    browser.execute_script(
        "window.copied = null;"
        "navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve() }"
    )
    python.click()
    text = browser.execute_script("return window.copied")
    assert ast.literal_eval(text.removeprefix("parameters = ")) == best
    assert python.text == "Copied"
    plain.click()
    assert json.loads(browser.execute_script("return window.copied")) == best


@needs_browser
def test_a_click_hides_a_group_of_lines(browser: Any) -> None:
    from selenium.webdriver.common.by import By

    visible = "return document.querySelector('[data-figure=history]').data.map(trace => trace.visible)"
    assert "legendonly" not in browser.execute_script(visible)
    toggle = browser.find_element(By.CSS_SELECTOR, "[data-figure=history] .legendtoggle")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", toggle)
    toggle.click()
    deadline = time.monotonic() + 5
    while "legendonly" not in browser.execute_script(visible):
        assert time.monotonic() < deadline, "the click changed nothing"
        time.sleep(0.1)


@needs_browser
def test_failures_show_reasons_as_text_and_tracebacks(browser: Any) -> None:
    text = browser.execute_script("return document.querySelector('#failures').textContent")
    assert "RuntimeError: </script><b>too far right</b>" in text
    assert "Traceback" in text
    assert browser.execute_script("return document.querySelectorAll('#failures summary b b').length") == 0


def test_what_survives_of_integers_is_a_range_and_of_few_values_a_list() -> None:
    space = shac.HyperParameterList(
        [shac.LogIntegerHP("channels", 4, 32), shac.IntegerHP("layers", 1, 3), shac.DiscreteHP("size", list(range(9)))]
    )

    def middle(worker_id: int, parameters: Any) -> float:
        return float(-abs(parameters["channels"] - 20) - abs(parameters["size"] - 5))

    engine = shac.SHAC(middle, space, 60, 6, save_dir="integers", seed=1)
    engine.concurrent_evaluators()
    engine.fit(progress=False)
    channels, layers, size = [marginals.survivors() for marginals in stage_marginals(view_of(engine))]
    low, high = map(int, re.fullmatch(r"(\d+) to (\d+)", channels).groups())  # type: ignore[union-attr]
    assert 10 < low <= 20 <= high < 30
    assert set(layers.split(", ")) <= {"1", "2", "3"}
    assert "to" not in size


def test_the_axis_of_a_conditional_parameter_begins_at_its_bound() -> None:
    space = shac.HyperParameterList(
        [shac.DiscreteHP("optimizer", ["sgd", "adam"]), shac.UniformHP("momentum", 0.0, 0.99)],
        conditions={"momentum": {"optimizer": ["sgd"]}},
    )
    scale = ColumnScale("momentum", space.columns[1])
    assert (scale.text_at(0.0), scale.text_at(1.0)) == ("0", "0.99")


def brightness(colour: str) -> float:
    red, green, blue = (int(part) for part in re.findall(r"\d+", colour)[:3])
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


@needs_browser
def test_a_dark_page_has_light_texts_and_a_light_page_dark_ones(browser: Any, tmp_path: Path) -> None:
    texts = "[...document.querySelectorAll('p, h2, td, .card b, .plot .xtick text, .plot .annotation-text')]"
    colours = "getComputedStyle(e)[e.closest('svg') ? 'fill' : 'color']"
    script = f"return {texts}.filter(e => e.checkVisibility()).map(e => {colours})"
    paper = "return getComputedStyle(document.querySelector('#history')).backgroundColor"
    try:
        for scheme, is_dark in (("dark", True), ("light", False)):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            time.sleep(1)  # the plots are drawn again
            browser.save_screenshot(str(tmp_path / f"{scheme}.png"))
            assert (brightness(browser.execute_script(paper)) < 0.2) == is_dark
            found = [brightness(colour) for colour in browser.execute_script(script)]
            assert len(found) > 50
            assert all(value > 0.5 if is_dark else value < 0.6 for value in found), sorted(found)
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@needs_browser
def test_a_button_shows_the_better_half_of_the_scores(browser: Any) -> None:
    shown = "return document.querySelector('[data-figure=history]').layout.yaxis.range"
    press = "[...document.querySelectorAll('[data-figure=history] .updatemenu-button')][arguments[0]]"
    event = f"{press}.dispatchEvent(new MouseEvent('click', {{bubbles: true}}))"
    low, high = browser.execute_script(shown)
    browser.execute_script(event, 1)
    time.sleep(0.5)
    half_low, half_high = browser.execute_script(shown)
    assert high - low > half_high - half_low > 0
    assert half_low < 1.1 < half_high  # the best score
    browser.execute_script(event, 0)
    time.sleep(0.5)
    assert browser.execute_script(shown) == [low, high]
