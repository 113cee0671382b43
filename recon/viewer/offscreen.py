"""Pictures by Open3D's off-screen renderer, in its own process.

Without a driver, or with a bad one, the renderer ends its process instead of raising; so `Offscreen` starts a
child (this module as a program), sends it surfaces and cameras, and gets pictures, or notices its end.
"""

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from io import BufferedReader
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recon.base.children import python_command
from recon.base.light import linear_light
from recon.geometry import Float, Mesh, PointCloud
from recon.render.camera import FIELD_OF_VIEW, Camera, mean_normal
from recon.render.ray_casting import BODY_COLOR, FACE_BACK_COLOR, SUPERSAMPLING, averaged, surface_of
from recon.viewer.open3d_parts import PICTURE_LUX, faces_of, light, tensor

MAX_CLOSED_MEAN_NORMAL = 1e-6  # its length on a surface without openings, 0 but for rounding
BACKFACE_OFFSET = 5e-4  # of the longest side: how far the inside is drawn below the outside


class OffscreenError(Exception):
    """The renderer does not work here; callers can do without it."""


class Offscreen:
    """The renderer, started, for pictures of one size; use it in a `with` block."""

    def __init__(self) -> None:
        self._thing: Mesh | PointCloud | None = None
        self._child = subprocess.Popen(
            python_command("recon.viewer.offscreen"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def draw(self, thing: Mesh | PointCloud, camera: Camera) -> NDArray[np.uint8]:
        """The picture (height, width, 3) of a thing with normals. Raises OffscreenError on failure."""
        assert self._child.stdin and self._child.stdout
        width, height = camera.size
        surface = None if thing is self._thing else surface_of(thing, camera)
        try:
            pickle.dump((surface, camera), self._child.stdin, pickle.HIGHEST_PROTOCOL)
            self._child.stdin.flush()
        except OSError:
            raise OffscreenError from None
        answer = self._child.stdout.read(3 * width * height)
        if len(answer) < 3 * width * height:
            raise OffscreenError
        self._thing = thing
        return np.frombuffer(answer, np.uint8).reshape(height, width, 3)

    def __enter__(self) -> "Offscreen":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child.stdin and self._child.stdout
        self._child.kill()
        self._child.wait()
        self._child.stdout.close()
        with suppress(OSError):  # an unread request
            self._child.stdin.close()


def serve(requests: BufferedReader, answers: BinaryIO) -> None:
    """Draw what comes until nothing comes."""
    from open3d.visualization import rendering

    renderer: Any = None
    surface: Mesh | None = None
    while requests.peek(1):
        new, camera = pickle.load(requests)
        surface, fine = new or surface, camera.scaled(SUPERSAMPLING)
        assert surface is not None
        if renderer is None:
            renderer = rendering.OffscreenRenderer(*fine.size)
        if new is not None:
            _place(rendering, renderer, surface)
        _aim(rendering, renderer, surface, fine)
        linear = np.asarray(renderer.render_to_image()) / 255.0
        encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)  # sRGB
        answers.write(averaged(encoded).tobytes())
        answers.flush()


def _place(rendering: Any, renderer: Any, surface: Mesh) -> None:
    """Replace the renderer's geometry by `surface`, centred."""
    renderer.scene.clear_geometry()
    renderer.scene.set_background([1.0, 1.0, 1.0, 1.0])
    renderer.scene.view.set_post_processing(False)  # it would tint; pictures are encoded here
    renderer.scene.view.set_shadowing(False, rendering.View.ShadowType.PCF)
    material = rendering.MaterialRecord()
    material.shader = "defaultLit"
    material.base_roughness, material.base_reflectance = 1.0, 0.0
    shown = painted(surface)
    assert shown.colors is not None
    places, shades = shown.vertices - _middle(surface), tensor(linear_light(shown.colors), np.float32)
    renderer.scene.add_geometry("surface", faces_of(places, shown.faces, shades, shown.normals), material)


def _aim(rendering: Any, renderer: Any, surface: Mesh, camera: Camera) -> None:
    scene, middle = renderer.scene, _middle(surface)
    reach = camera.focus + 2 * float(np.linalg.norm(np.ptp(surface.vertices, axis=0)))
    width, height = camera.size
    kind = rendering.Camera.FovType.Vertical
    scene.camera.set_projection(FIELD_OF_VIEW, width / height, 1e-2 * camera.focus, reach, kind)
    scene.camera.look_at(
        *(np.float32(x) for x in (camera.target - middle, camera.eye - middle, camera.upward))
    )
    light(scene.scene, (camera.right, camera.upward, camera.forward), PICTURE_LUX)


def _middle(surface: Mesh) -> Float:
    return 0.5 * (surface.vertices.min(0) + surface.vertices.max(0))  # single precision suffices around it


def painted(surface: Mesh) -> Mesh:
    """`surface`, which has normals, in its own colours or a body's; an open one with a coloured inside.

    The inside is drawn just below, because the renderer shows both sides of a face alike.
    """
    if surface.colors is not None:
        return surface
    body, inside = (np.rint(255 * color).astype(np.uint8) for color in (BODY_COLOR, FACE_BACK_COLOR))
    count = len(surface.vertices)
    colors = np.tile(body, (count, 1))
    if np.linalg.norm(mean_normal(surface)) < MAX_CLOSED_MEAN_NORMAL:
        return replace(surface, colors=colors)
    assert surface.normals is not None
    below = surface.vertices - BACKFACE_OFFSET * np.ptp(surface.vertices, axis=0).max() * surface.normals
    return Mesh(
        np.concatenate([surface.vertices, below]),
        np.concatenate([surface.faces, surface.faces[:, ::-1] + count]),
        np.concatenate([surface.normals, -surface.normals]),
        np.concatenate([colors, np.tile(inside, (count, 1))]),
    )


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the renderer talks on standard output
    serve(sys.stdin.buffer, answers)  # type: ignore[arg-type]
