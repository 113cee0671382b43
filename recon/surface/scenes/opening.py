"""Whether a scene that counts as closed is open after all, as the meshes of its blocks tell."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from recon.meshing.trimming import INVENTED, MIN_OPEN_SHARE, UNSUPPORTED
from recon.scan.preparation.inside import Surroundings
from recon.surface.scenes.blocks import Scene, read_arrays_of
from recon.surface.scenes.joining import survey_pieces
from recon.surface.scenes.pieces import PIECE_FILE
from recon.surface.scenes.survey import write_context

log = logging.getLogger("recon")


def find_open(scene: Scene) -> Scene | None:
    """The scene as an open one, if its finished blocks have much surface without points near it; else None.

    What blocks of an open scene have of it is cut off already, and with `--trim off` all stays.
    """
    if scene.context.open or scene.config.mesh.trim != "auto":
        return None
    joined = survey_pieces(scene)[2]
    if joined.unseen <= MIN_OPEN_SHARE:
        return None
    places, areas = [np.empty((0, 3))], [np.empty(0)]
    for number, keep in joined.keep.items():
        piece = read_arrays_of(scene.of(number) / PIECE_FILE)
        stays = keep[piece["away part"]]
        places.append(piece["away"][stays])
        areas.append((piece["area"] / piece["asked"])[piece["away part"][stays]])
    area, points = np.concatenate(areas), scene.context.points
    around = Surroundings(replace(points, points=scene.plan.frame.to_unit(points.points)))
    filling = around.in_holes(np.concatenate(places)) if around.closed else np.ones(len(area), bool)
    if joined.unseen * area[filling].sum() > MIN_OPEN_SHARE * area.sum():
        log.info(UNSUPPORTED, 100 * joined.unseen)
    else:
        log.warning(INVENTED, 100 * joined.unseen)
    context = replace(scene.context, open=True)
    write_context(context, scene.folder)
    return replace(scene, context=context, config=scene.config.with_(scan={"open": True}))
