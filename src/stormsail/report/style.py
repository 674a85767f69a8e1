"""One look for every figure: calm, printable, safe for colour-blind readers."""

from __future__ import annotations

import textwrap

import plotly.graph_objects as go

from stormsail.report.format import clean

INK = "#22303c"
MUTED = "#6b7785"
GRID = "#e4e8ec"
HEDGED = "#1f5a85"
UNHEDGED = "#d1741f"
SECOND = "#7fb3d5"
LEFT_OPEN = "#c9ced4"
BAND = "31, 90, 133"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def template() -> go.layout.Template:
    """The template that every figure uses."""
    axis = {
        "gridcolor": GRID,
        "zerolinecolor": MUTED,
        "zerolinewidth": 1,
        "linecolor": GRID,
        "automargin": True,
        "ticks": "",
        "title": {"font": {"size": 13, "color": MUTED}, "standoff": 10},
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": INK},
            "title": {"font": {"size": 17}, "x": 0, "xref": "paper", "xanchor": "left", "yanchor": "top"},
            "paper_bgcolor": "white",
            "plot_bgcolor": "white",
            "colorway": [HEDGED, UNHEDGED, SECOND, MUTED],
            "xaxis": axis,
            "yaxis": axis,
            "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "traceorder": "normal"},
            "margin": {"l": 8, "r": 16, "t": 84, "b": 8},
            "hoverlabel": {"bgcolor": "white", "bordercolor": GRID, "font": {"color": INK, "family": FONT}},
            "bargap": 0.32,
        }
    )


def hatched(color: str, shape: str = "") -> dict[str, object]:
    """A bar's marker; white hatching of that shape tells bars apart where colour is lost."""
    pattern = {"shape": shape, "bgcolor": color, "fgcolor": "white", "fillmode": "overlay", "size": 7, "solidity": 0.25}
    return {"color": color, "pattern": pattern} if shape else {"color": color}


def safe(name: str) -> str:
    """A name from outside as plain text: the plots' own markup and links are not read from it.

    >>> safe("<a href='x'>BTC</a>")
    "&lt;a href='x'&gt;BTC&lt;/a&gt;"
    """
    return clean(name).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def finish(figure: go.Figure, title: str, *, x: str, y: str, height: int = 380) -> go.Figure:
    """Give a figure its title (which states the finding), the names of its axes with units, and its height."""
    figure.update_layout(
        template=template(),
        title_text="<br>".join(textwrap.wrap(title, 78)),
        xaxis_title_text=x.replace("; ", "<br>"),
        yaxis_title_text=y,
        height=height,
        meta={"title": title},
    )
    return figure


def rows_height(rows: int) -> int:
    """Height of a figure with one horizontal bar per row."""
    return 150 + 26 * max(rows, 3)
