"""``shac serve``: the report of a search that runs, in a real browser."""

import http.client
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import shac
from shac.html_report.live import LivePage, server_of

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

needs_browser = pytest.mark.skipif(not CHROMIUM or not DRIVER, reason="no Chromium with its driver")


def search(folder: Path) -> shac.SHAC:
    space = [shac.UniformHP("x", 0.0, 1.0), shac.DiscreteHP("kind", ["a", "b"])]
    return shac.SHAC(None, space, 30, 3, save_dir=folder, seed=0)


def evaluate(engine: shac.SHAC, count: int) -> None:
    for configuration in engine.ask(count):
        engine.tell(configuration, configuration["x"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run <b>"


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    server = server_of(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def answer(port: int, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_a_page_waits_for_a_search_and_then_follows_its_journal(folder: Path) -> None:
    page = LivePage(folder)
    assert "Waiting for the search" in page.html()
    assert "run &lt;b&gt;" in page.html()
    engine = search(folder)
    evaluate(engine, 10)
    before = page.state()
    assert "10 <small>of 30" in page.html()
    evaluate(engine, 4)
    assert page.state() != before
    assert "Round 2 of 3" in page.html()
    assert "4 of 10 evaluations have ended" in page.html()
    assert page.html() is page.html()
    while configurations := engine.ask(10):
        for configuration in configurations:
            engine.tell(configuration, configuration["x"])
    assert "The search is over" in page.html()


def test_a_folder_that_is_being_written_keeps_the_last_page(folder: Path) -> None:
    page = LivePage(folder)
    evaluate(search(folder), 10)
    assert "10 <small>of 30" in page.html()
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:100])
    assert "10 <small>of 30" in page.html()


def test_only_this_machine_and_its_own_pages_are_answered(folder: Path, port: int) -> None:
    assert answer(port, "/")[0] == 200
    assert answer(port, "/", Host="localhost:1")[0] == 200
    assert answer(port, "/", Host="evil.example")[0] == 403
    assert answer(port, "/../manifest.json")[0] == 404
    assert answer(port, "/state") == (200, "- -")
    assert answer(port, "/plotly.js")[1].count("</script") == 0


def test_the_command_serves_until_ctrl_c_and_names_a_port_that_is_taken(folder: Path, port: int) -> None:
    command = [sys.executable, "-m", "shac", "serve", str(folder), "--port"]
    with subprocess.Popen([*command, "0"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        own = int(line.split(":")[2].split("/")[0])
        assert answer(own, "/state") == (200, "- -")
        process.send_signal(2)
        assert process.wait(timeout=30) == 0
    done = subprocess.run([*command, str(port)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"--port: expected a port that is free, got {port}" in done.stderr


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@needs_browser
def test_a_browser_sees_a_search_begin_and_grow_and_what_was_opened_stays_open(
    folder: Path, port: int, tmp_path: Path
) -> None:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync",
                     "disable-background-networking", "disable-component-update", "window-size=1300,2400"):  # fmt: skip
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))

    def text(selector: str) -> str:
        return str(driver.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    try:
        driver.get(f"http://127.0.0.1:{port}/")
        assert "Waiting for the search" in text("main")
        engine = search(folder)
        evaluate(engine, 10)
        wait_until(lambda: "10 of 30" in text(".cards"))
        wait_until(
            lambda: not driver.execute_script("return document.querySelectorAll('.plot:not([data-drawn])').length")
        )
        driver.execute_script("window.loadedOnce = true; document.querySelector('#classifiers details').open = true")
        evaluate(engine, 3)
        wait_until(lambda: "3 of 10 evaluations have ended" in text("#round"))
        evaluate(engine, 7)
        wait_until(lambda: "20 of 30" in text(".cards"))
        assert driver.execute_script("return window.loadedOnce === true")  # the page was not loaded again
        assert driver.execute_script("return document.querySelector('#classifiers details').open")
        assert driver.execute_script("return document.querySelector('[data-figure=history]').data[0].x.length") > 0
        for name, width in (("desktop", 1300), ("phone", 390)):
            driver.set_window_size(width, 1200)
            time.sleep(0.5)
            driver.save_screenshot(str(tmp_path / f"{name}.png"))
            assert driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        assert [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    finally:
        driver.quit()
