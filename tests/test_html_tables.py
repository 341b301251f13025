"""What a notebook shows of a search."""

import html.parser
from typing import Any

import pytest

import shac


class Cells(html.parser.HTMLParser):
    """The texts of a table's rows."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.colours = 0

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.colours += "color" in str(attributes) or "background" in str(attributes)
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data: str) -> None:
        if self.rows:
            self.rows[-1].append(data)


def cells(shown: Any) -> list[list[str]]:
    parser = Cells()
    parser.feed(shown._repr_html_())
    assert not parser.colours  # those of the notebook, light or dark
    return parser.rows


@pytest.fixture
def engine() -> shac.SHAC:
    space = [shac.UniformHP("<b>rate</b>", 0.0, 1.0), shac.DiscreteHP("act", ["<script>", "elu", None])]
    engine = shac.SHAC(lambda w, p: 1 - p["<b>rate</b>"], space, 30, 3, save_dir="run", seed=0)
    engine.concurrent_evaluators()
    return engine


def test_a_search_and_its_dataset_show_their_best_evaluations(engine: shac.SHAC) -> None:
    assert cells(engine) == []
    history = engine.fit(progress=False)
    for shown in (engine, engine.dataset):
        head, *rows = cells(shown)
        assert head == ["evaluation", "score", "<b>rate</b>", "act"]
        assert [row[1] for row in rows] == [f"{score:.6g}" for _, score in engine.top(10)]
        assert "<b>" not in shown._repr_html_()
        assert "<script>" not in shown._repr_html_()
        assert repr(shown).replace("'", "&#x27;") in shown._repr_html_()
    head, *rows = cells(history)
    assert head[0] == "round"
    assert "batch_median" in head
    assert [row[0] for row in rows] == [str(number) for number in history.epochs]


def test_several_objectives_show_their_front() -> None:
    dataset = shac.Dataset([shac.UniformHP("x", 0.0, 1.0)])
    dataset.objective = {"accuracy": "max", "seconds": "min"}
    for x, scores in ((0.1, (0.8, 5.0)), (0.2, (0.9, 7.0)), (0.3, (0.8, 9.0))):
        dataset.add_sample([x], scores)
    assert cells(dataset) == [
        ["evaluation", "accuracy", "seconds", "x"],
        ["1", "0.9", "7", "0.2"],
        ["0", "0.8", "5", "0.1"],
    ]


def test_what_is_empty_is_shown_as_well() -> None:
    for shown in (shac.Dataset(), shac.Dataset([shac.UniformHP("x", 0.0, 1.0)]), shac.History()):
        assert cells(shown) == []
        assert type(shown).__name__ in shown._repr_html_()
    assert repr(shac.Dataset()) == "Dataset(0 configurations)"
