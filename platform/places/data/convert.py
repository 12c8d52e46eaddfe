#!/usr/bin/env python3
"""Writes towns.tsv and boundaries.geojson from the downloaded sources (see README.md beside this file).

Usage: convert.py TOWNS_FOLDER BOUNDARIES.geojson
TOWNS_FOLDER holds one JSON array per municipality, named 郡+市町村.json, with town, koaza, lat, lng.
"""
import json
import pathlib
import sys

here = pathlib.Path(__file__).parent
towns, boundaries = map(pathlib.Path, sys.argv[1:3])

shapes = json.loads(boundaries.read_text("utf-8"))
features = sorted(shapes["features"], key=lambda f: f["properties"]["code5"])
codes = {f["properties"]["county"] + f["properties"]["name"]: f["properties"]["code5"] for f in features}

rows, unplaced = [], []
for name, code in sorted(codes.items(), key=lambda item: item[1]):
    for r in json.loads((towns / f"{name}.json").read_text("utf-8")):
        if r["lat"] is None or r["lng"] is None:
            unplaced.append(f"{code} {r['town']}{r['koaza']}")
        else:
            rows.append(f"{code}\t{r['town']}\t{r['koaza']}\t{r['lat']:.6f}\t{r['lng']:.6f}")
(here / "towns.tsv").write_text("\n".join(rows) + "\n", "utf-8")

slim = [
    {"type": "Feature", "properties": {"code5": f["properties"]["code5"]}, "geometry": f["geometry"]}
    for f in features
]
text = ",\n".join(json.dumps(f, ensure_ascii=False, separators=(",", ":")) for f in slim)
(here / "boundaries.geojson").write_text(
    '{"type":"FeatureCollection","features":[\n' + text + "\n]}\n", "utf-8"
)
print(f"{len(rows)} towns written, {len(unplaced)} without coordinates left out: {', '.join(unplaced)}")
