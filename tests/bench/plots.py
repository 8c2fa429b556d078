"""Drawings of what `compare` found, by gnuplot."""

import shutil

import lab


def missing():
    """What has to be installed, or None."""
    if shutil.which("gnuplot") is None:
        return "gnuplot is missing: install gnuplot-nox, or leave out --plot"
    return None


def draw(result, directory):
    """ratios.svg and first-writes.svg, of what compare writes as JSON."""
    directory.mkdir(parents=True, exist_ok=True)
    if any(ratio is not None for found in result["ratios"].values() for ratio in found.values()):
        _gnuplot(directory / "ratios.svg", _ratios(result))
    if result["series"]:
        _gnuplot(directory / "first-writes.svg", _first_writes(result["series"], result["log"]))


def _gnuplot(path, script):
    text = f'set terminal svg size 1200,900 background "white"\nset output "{path}"\n{script}'
    commands = path.with_suffix(".gnuplot")
    commands.write_text(text, encoding="utf-8")
    lab.run("gnuplot", commands)
    commands.unlink()


def _block(name, lines):
    return "\n".join([f"${name} << EOD", *lines, "EOD", ""])


def _ratios(result):
    """A group of bars for each figure, a bar for each pair of ways."""
    ratios = result["ratios"]
    pairs = [name for name in next(iter(ratios.values()))
             if any(found[name] is not None for found in ratios.values())]
    lines = []
    for figure, found in ratios.items():
        if any(found[name] is not None for name in pairs):
            cells = ("nan" if found[name] is None else f"{found[name]:.4f}" for name in pairs)
            lines.append(f'"{result["titles"][figure]}" {" ".join(cells)}')
    bars = ", ".join(f"$ratios using {column}:xtic(1) title '{name}'"
                     for column, name in enumerate(pairs, 2))
    return _block("ratios", lines) + f"""
set style data histograms
set style fill solid 0.8
set logscale y 2
set xtics rotate by -40 font ",9"
set bmargin 16
set rmargin 26
set grid ytics
set key above
set ylabel "ratio"
plot {bars}, 1 with lines dashtype 2 linecolor "black" notitle
"""


def _first_writes(series, log):
    """Writes a second, their latency, and how full the write log is, one below the other."""
    blocks, rates, latencies, fills = "", [], [], []
    for color, (way, bins) in enumerate(series.items(), 1):
        blocks += _block(way, (" ".join("nan" if value is None else f"{value:g}" for value in bin_)
                               for bin_ in bins))
        rates.append(f"${way} using 1:2 with lines linetype {color} title '{way}'")
        for column, name, dash in ((3, "p50", 1), (4, "p99", 2)):
            latencies.append(f"${way} using 1:(${column}/1000) with lines linetype {color} "
                             f"dashtype {dash} title '{way}, {name}'")
        if log[way]:
            blocks += _block(f"log_{way}", (f"{time:g} {used:g}" for time, used in log[way]))
            fills.append(f"$log_{way} using 1:2 with lines linetype {color} title '{way}'")
    end = max(bins[-1][0] for bins in series.values())
    fill_plot = f"""
unset logscale y
set yrange [0:*]
set ylabel "MiB of the write log in use"
plot {", ".join(fills)}
""" if fills else ""
    return blocks + f"""
set multiplot layout {3 if fills else 2},1
set xrange [0:{end:g}]
set key outside
set grid
set xlabel "seconds"
set ylabel "first writes a second"
set yrange [0:*]
plot {", ".join(rates)}
set ylabel "ms"
set yrange [*:*]
set logscale y
plot {", ".join(latencies)}
{fill_plot}unset multiplot
"""
