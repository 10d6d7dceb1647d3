"""show.places draws what the table says, and circles as they are on the sphere."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from redis_lab import show
from redis_lab.show.map import HIGHLIGHTED, RADIUS

AIRPORTS = pd.DataFrame(
    {"lon": [-74.17, -73.78, -176.65, 174.11], "lat": [40.69, 40.64, 51.88, 52.71]},
    index=["EWR", "JFK", "ADK", "SYA"],
)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def drawn(ax, layer):
    """Longitudes and latitudes: layer 0 are all places, layer 1 the highlighted."""
    return ax.collections[layer].get_offsets().tolist()


def km(lon, lat, other_lon, other_lat):
    lat, other_lat = math.radians(lat), math.radians(other_lat)
    across = math.cos(lat) * math.cos(other_lat) * math.cos(math.radians(lon - other_lon))
    return RADIUS * math.acos(math.sin(lat) * math.sin(other_lat) + across)


def test_a_place_is_a_dot_and_the_highlighted_have_colour_and_name():
    """Every row is drawn where its numbers say; the title is the finding."""
    ax = show.places(AIRPORTS, title="Two of four", highlight=["JFK", "EWR"])
    assert drawn(ax, 0) == AIRPORTS[["lon", "lat"]].to_numpy().tolist()
    assert drawn(ax, 1) == [[-73.78, 40.64], [-74.17, 40.69]]
    assert to_hex(ax.collections[1].get_facecolor()[0]).upper() == HIGHLIGHTED
    assert [text.get_text() for text in ax.texts] == ["JFK", "EWR"]
    assert ax.get_title() == "Two of four"


def test_names_can_be_others_than_the_highlighted():
    """Hundreds in colour need no hundred names."""
    ax = show.places(AIRPORTS, title="All", highlight=AIRPORTS.index, label=["ADK"])
    assert len(drawn(ax, 1)) == 4
    assert [text.get_text() for text in ax.texts] == ["ADK"]


@pytest.mark.parametrize("circle", [(-74.17, 40.69, 500.0), (-176.65, 51.88, 700.0)])
def test_the_circle_is_true(circle):
    """Each point of its line is as far from the centre, also beyond 180°."""
    ax = show.places(AIRPORTS, title="Circle", circle=circle)
    ring = np.array(ax.get_lines()[0].get_xydata())
    assert [km(*circle[:2], lon, lat) for lon, lat in ring] == pytest.approx([circle[2]] * 361)
    assert np.ptp(ring[:, 0]) > np.ptp(ring[:, 1])


def test_the_date_line_is_no_border():
    """Around Adak, Shemya lies to the west, and the axis calls it east."""
    ax = show.places(AIRPORTS, title="Across", view=(170, 190, 48, 56))
    across = [lon for lon, _ in drawn(ax, 0)]
    assert across[2:] == pytest.approx([183.35, 174.11])
    ticks = ax.xaxis.get_major_formatter()
    assert [ticks(at) for at in (174, 180, 183)] == ["174° E", "180°", "177° W"]


def test_a_km_is_as_long_to_the_right_as_up():
    """In the middle of the map, whatever is to be shown; and all of it is."""
    ax = show.places(AIRPORTS, title="Even", view=(-125, -66, 24, 50))
    (west, east), (south, north) = ax.get_xlim(), ax.get_ylim()
    box = ax.get_window_extent()
    per_degree = box.width / (east - west), box.height / (north - south)
    assert per_degree[0] / per_degree[1] == pytest.approx(math.cos(math.radians(37)), rel=0.01)
    assert west <= -125 and east >= -66 and south <= 24 and north >= 50


def test_names_stand_apart():
    """Newark and Kennedy lie together on a map of the country; their names don't."""
    ax = show.places(AIRPORTS, title="Apart", highlight=["EWR", "JFK"], view=(-125, -66, 24, 50))
    ax.figure.canvas.draw()
    first, second = (text.get_window_extent() for text in ax.texts)
    assert not first.overlaps(second)


@pytest.mark.parametrize(
    ("points", "named"),
    [(AIRPORTS[:0], []), (AIRPORTS.assign(lat=np.nan), []), (AIRPORTS, ["ORD"])],
)
def test_what_can_not_be_drawn_is_refused(points, named):
    """No place, a place without numbers, a name that isn't there."""
    with pytest.raises(ValueError, match="points"):
        show.places(points, title="No", highlight=named)
