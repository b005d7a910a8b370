"""The bench of growth: what it varies, and what it shows."""

from pathlib import Path
from xml.etree import ElementTree as ET

from bus.bench.growth import AXES, Kept, drawing, table
from bus.bench.workload import AGREEMENTS, Nation, Shape, original
from bus.cli import bench

POINTS = [
    {
        "axis": axis,
        "size": size,
        "records": 1000,
        "deliveries": 10 * size,
        "cpu_us_per_change": 3.0 * size,
        "cpu_us_per_decision": 3.0,
        "cpu_us_per_delivery": 4.5,
        "peak_memory_mb": 120,
    }
    for axis, sizes in AXES.items()
    for size in sizes
]


def test_the_command_offers_every_axis() -> None:
    """What can be asked for is what can be measured."""
    assert tuple(AXES) == bench.AXES


def test_copies_stand_for_the_four() -> None:
    """Further recipients have copies of the four agreements; whoever consents to one consents to its copies."""
    shape = Shape(subjects=200, recipients=10)
    assert shape.names()[:4] == list(AGREEMENTS)
    assert [original(name) for name in shape.names()[4:8]] == list(AGREEMENTS)
    nation = Nation(1, shape=shape)
    for person in nation.people:
        assert ("person-to-insurance" in person.consents) == ("person-to-insurance-1" in person.consents)
    living = next(change for number in range(100) if (change := nation.change(number)).living)
    assert {"person-to-tax", "person-to-tax-1", "person-to-tax-2"} <= set(living.recipients())


def test_table_and_drawing_show_every_point() -> None:
    """Each point has a line in the table and a spot in the drawing, which is well-formed."""
    assert table(POINTS).count("\n") == len(POINTS) + 1
    root = ET.fromstring(drawing(POINTS))  # noqa: S314 - our own drawing
    assert len(list(root.iter("{http://www.w3.org/2000/svg}circle"))) == len(POINTS)


def test_a_measurement_cut_short_goes_on(tmp_path: Path) -> None:
    """A point is found again, the newest of its place and size; half a line, or other changes, are none."""
    kept = Kept(tmp_path / "points")
    assert kept.point("lanes", 8, 1000) is None
    for memory in (100, 200):
        kept.keep(POINTS[0] | {"axis": "lanes", "size": 8, "peak_memory_mb": memory})
    with (tmp_path / "points").open("a") as file:
        file.write('{"axis": "lanes", "si')
    found = kept.point("lanes", 8, 1000)
    assert found is not None
    assert found["peak_memory_mb"] == 200
    assert kept.point("lanes", 8, 2000) is None
