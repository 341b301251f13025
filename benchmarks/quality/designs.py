"""Engineering designs: cheap formulas of the literature, with limits that a cost is raised by.

A design that breaks a limit costs more in proportion to how far it is past it: what a user would write without
constraints. Each limit is a share, so that none is heavier than another.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.quality.axes import Axis, Number
else:
    from quality.axes import Axis, Number

__all__ = ["DESIGN_AXES", "DESIGN_OPTIMA", "gear_train", "pressure_vessel", "speed_reducer", "spring", "welded_beam"]

_PENALTY = 10.0  # times what a good design costs, for each limit that is passed by its own size

DESIGN_AXES: dict[str, tuple[Axis, ...]] = {
    "gear-train": tuple(Number(name, 12, 60, integer=True) for name in ("a", "b", "c", "d")),
    "pressure-vessel": (
        Number("shell", 1, 99, integer=True),
        Number("head", 1, 99, integer=True),
        Number("radius", 10.0, 200.0),
        Number("length", 10.0, 200.0),
    ),
    "welded-beam": (
        Number("weld", 0.1, 2.0),
        Number("length", 0.1, 10.0),
        Number("height", 0.1, 10.0),
        Number("width", 0.1, 2.0),
    ),
    "spring": (Number("wire", 0.05, 2.0), Number("coil", 0.25, 1.3), Number("turns", 2.0, 15.0)),
    "speed-reducer": (
        Number("face", 2.6, 3.6),
        Number("module", 0.7, 0.8),
        Number("teeth", 17, 28, integer=True),
        Number("length1", 7.3, 8.3),
        Number("length2", 7.3, 8.3),
        Number("shaft1", 2.9, 3.9),
        Number("shaft2", 5.0, 5.5),
    ),
}
# The best designs of the literature, which touch their limits, and what they cost.
DESIGN_OPTIMA: dict[str, tuple[dict[str, Any], float]] = {
    "gear-train": ({"a": 16, "b": 19, "c": 43, "d": 49}, 2.700857e-12),
    "pressure-vessel": ({"shell": 13, "head": 7, "radius": 42.098445596, "length": 176.636595842}, 6059.714335),
    "welded-beam": (
        {"weld": 0.20572964, "length": 3.470488666, "height": 9.03662391, "width": 0.20572964},
        1.724852309,
    ),
    "spring": ({"wire": 0.051689061, "coil": 0.356717736, "turns": 11.288966}, 0.012665233),
    "speed-reducer": (
        {"face": 3.5, "module": 0.7, "teeth": 17, "length1": 7.3, "length2": 7.715319911}
        | {"shaft1": 3.350214666, "shaft2": 5.286654465},
        2994.471066,
    ),
}


def _raised(cost: float, scale: float, *limits: float) -> float:
    return cost + _PENALTY * scale * sum(max(0.0, limit) for limit in limits)


def gear_train(setting: dict[str, Any]) -> float:
    """Squared distance of a gear ratio from 1 / 6.931 (Sandgren 1990)."""
    return float((1 / 6.931 - setting["a"] * setting["b"] / (setting["c"] * setting["d"])) ** 2)


def pressure_vessel(setting: dict[str, Any]) -> float:
    """Cost of a vessel whose plates come in sixteenths of an inch (Sandgren 1990)."""
    shell, head = 0.0625 * setting["shell"], 0.0625 * setting["head"]
    radius, length = setting["radius"], setting["length"]
    cost = 0.6224 * shell * radius * length + 1.7781 * head * radius**2
    cost += 3.1661 * shell**2 * length + 19.84 * shell**2 * radius
    volume = math.pi * radius**2 * length + 4 / 3 * math.pi * radius**3
    return _raised(
        cost, 6000.0, 0.0193 * radius / shell - 1, 0.00954 * radius / head - 1, 1 - volume / 1_296_000, length / 240 - 1
    )


def welded_beam(setting: dict[str, Any]) -> float:
    """Cost of a beam that is welded to a wall and carries 6,000 pounds (Ragsdell and Phillips 1976)."""
    weld, length, height, width = (setting[name] for name in ("weld", "length", "height", "width"))
    load, reach, elasticity, shear = 6000.0, 14.0, 30e6, 12e6
    cost = 1.10471 * weld**2 * length + 0.04811 * height * width * (14 + length)
    first = load / (math.sqrt(2) * weld * length)
    arm = math.sqrt(length**2 / 4 + ((weld + height) / 2) ** 2)
    inertia = 2 * math.sqrt(2) * weld * length * (length**2 / 12 + ((weld + height) / 2) ** 2)
    second = load * (reach + length / 2) * arm / inertia
    stress = math.sqrt(first**2 + first * second * length / arm + second**2)
    bending = 6 * load * reach / (width * height**2)
    deflection = 4 * load * reach**3 / (elasticity * height**3 * width)
    slenderness = 1 - height / (2 * reach) * math.sqrt(elasticity / (4 * shear))
    buckling = 4.013 * elasticity * height * width**3 / (6 * reach**2) * slenderness
    return _raised(
        cost,
        1.7,
        stress / 13_600 - 1,
        bending / 30_000 - 1,
        weld / width - 1,
        deflection / 0.25 - 1,
        1 - buckling / load,
    )


def spring(setting: dict[str, Any]) -> float:
    """Weight of a spring under tension (Arora 1989)."""
    wire, coil, turns = setting["wire"], setting["coil"], setting["turns"]
    if coil <= wire:  # no coil at all, where the formula of its stress has a pole
        return 100.0
    stress = (4 * coil**2 - wire * coil) / (12_566 * (coil * wire**3 - wire**4)) + 1 / (5108 * wire**2)
    return _raised(
        (turns + 2) * coil * wire**2,
        0.0127,
        1 - coil**3 * turns / (71_785 * wire**4),
        stress - 1,
        1 - 140.45 * wire / (coil**2 * turns),
        (wire + coil) / 1.5 - 1,
    )


def speed_reducer(setting: dict[str, Any]) -> float:
    """Weight of a gear box (Golinski 1973)."""
    face, module, teeth, length1, length2, shaft1, shaft2 = setting.values()
    weight = 0.7854 * face * module**2 * (3.3333 * teeth**2 + 14.9334 * teeth - 43.0934)
    weight += -1.508 * face * (shaft1**2 + shaft2**2) + 7.4777 * (shaft1**3 + shaft2**3)
    weight += 0.7854 * (length1 * shaft1**2 + length2 * shaft2**2)
    return _raised(
        weight,
        3000.0,
        27 / (face * module**2 * teeth) - 1,
        397.5 / (face * module**2 * teeth**2) - 1,
        1.93 * length1**3 / (module * teeth * shaft1**4) - 1,
        1.93 * length2**3 / (module * teeth * shaft2**4) - 1,
        math.sqrt((745 * length1 / (module * teeth)) ** 2 + 16.9e6) / (110 * shaft1**3) - 1,
        math.sqrt((745 * length2 / (module * teeth)) ** 2 + 157.5e6) / (85 * shaft2**3) - 1,
        module * teeth / 40 - 1,
        5 * module / face - 1,
        face / (12 * module) - 1,
        (1.5 * shaft1 + 1.9) / length1 - 1,
        (1.1 * shaft2 + 1.9) / length2 - 1,
    )
