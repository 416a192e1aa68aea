"""Draws accuracy over size, `docs/results/sizes.svg`, from `results/sizes.json`: `python docs/size_curves.py`."""

import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[1]
MEASURED = ROOT / "results/sizes.json"
PICTURE = ROOT / "docs/results/sizes.svg"
TOLERANCE = "0.01"
COLORS = ["#1f77b4", "#2ca02c", "#d62728"]
LEFT, TOP, WIDTH, HEIGHT = 60, 40, 560, 260
LARGEST_SEEN, LARGEST = 6, 10


def curve(sets):
    """Pairs (size, accuracy) of all test sets, by ascending size."""
    sizes = {int(name.split(" ")[1].split("x")[0]): found["accuracy"][TOLERANCE] for name, found in sets.items()}
    return sorted(sizes.items())


def place(size, accuracy):
    return LEFT + WIDTH * (size - 1) / (LARGEST - 1), TOP + HEIGHT * (1 - accuracy)


def text(x, y, words, anchor="middle", color="#333"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{words}</text>'


def line(x1, y1, x2, y2, style):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def drawn():
    outputs = json.loads(MEASURED.read_text())["sizes"]["outputs"]
    parts = [text(LEFT + WIDTH / 2, 22, "Answers within 1 %, by size; trained on 1x1 to 6x6 (left of the dashed line)")]
    for percent in range(0, 101, 20):
        x, y = place(1, percent / 100)
        parts += [line(x, y, LEFT + WIDTH, y, 'stroke="#ddd"'), text(x - 8, y + 4, f"{percent} %", "end")]
    for size in range(1, LARGEST + 1):
        parts.append(text(place(size, 0)[0], TOP + HEIGHT + 20, f"{size}x{size}"))
    seen = place(LARGEST_SEEN + 0.5, 0)[0]
    parts.append(line(seen, TOP, seen, TOP + HEIGHT, 'stroke="#888" stroke-dasharray="4 4"'))
    for i, (name, sets) in enumerate(outputs.items()):
        points = [place(*point) for point in curve(sets)]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{joined}" fill="none" stroke="{COLORS[i]}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLORS[i]}"/>' for x, y in points]
        parts.append(text(LEFT + 12, TOP + HEIGHT - 60 + 18 * i, name, "start", COLORS[i]))
    size = f'width="{LEFT + WIDTH + 30}" height="{TOP + HEIGHT + 40}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(drawn())
