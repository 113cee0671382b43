"""`recon fit`: pictures, sounds and films."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recon.base.files import check_writable
from recon.base.options import (
    QUALITY,
    Parser,
    add_settings,
    changed,
    file,
    folder,
    number,
    numbers,
    reads,
    whole_between,
)
from recon.base.provenance import command_origin
from recon.cli.common import FILES, add_common, add_device, add_kinds, add_output, add_tensorboard, say, size
from recon.errors import UsageError
from recon.signals.settings import PRESETS, STANDARD

if TYPE_CHECKING:
    from recon.signals.fits.pictures import View
    from recon.signals.fits.train import Job

OUTPUT = "output"
MODES = {
    "image": "a picture from its values",
    "gradient": "a picture from its gradient alone",
    "laplacian": "a picture from its Laplacian alone",
    "blend": "two pictures as one without a seam, from the gradients of both",
    "inpaint": "a picture from some of its pixels",
    "audio": "a sound",
    "video": "a film",
}
ENDINGS = {"audio": ".wav", "video": ".mp4"}


EXAMPLES = {
    "image": (
        "recon fit image PHOTO.png -o FIT.png",
        "recon fit image PHOTO.png --box=-50,0,300,200 --zoom 2",
        "recon fit image PHOTO.png --preset fine --activation finer --derivatives",
    ),
    "gradient": ("recon fit gradient PHOTO.png",),
    "laplacian": ("recon fit laplacian PHOTO.png",),
    "blend": ("recon fit blend A.png B.png --mask M.png",),
    "inpaint": (
        "recon fit inpaint PHOTO.png --mask M.png",
        "recon fit inpaint PHOTO.png --keep 0.1 --prior hessian",
    ),
    "audio": ("recon fit audio SPEECH.wav -o FIT.wav --rate 48000",),
    "video": ("recon fit video FILM.mp4 -o FIT.mp4", "recon fit video FILM.mp4 --frames=:60 --scale 0.5"),
}


def _groups(mode: str) -> dict[str, dict[str, str]]:
    """The options of a mode that are settings."""
    prior = {"prior": "samples.prior"} if mode == "inpaint" else {}
    return {QUALITY: {"time": "fit.seconds", "activation": "field.activation", **prior}}


def add_options(parser: Parser) -> None:
    """The modes and their options."""
    for mode, sub in add_kinds(parser, "mode", MODES, "Fit", EXAMPLES):
        files = sub.group(FILES)
        files.add_argument("inputs", metavar="INPUT", nargs=2 if mode == "blend" else 1, type=file)
        default = f"INPUT.fit{ENDINGS.get(mode, '.png')} here"
        add_output(sub, "OUT", f"default: {default}", "OUT if it exists")
        files.add_argument(
            "--run", metavar="DIR", type=folder, help="keep the run there; given again, resume it"
        )
        _ADD.get(mode, _add_picture)(sub, mode)
        add_settings(sub, STANDARD[mode], _groups(mode), tuple(PRESETS))
        add_tensorboard(sub)
        add_common(sub)
        add_device(sub)


def _add_picture(sub: Parser, mode: str) -> None:
    files, output = sub.group(FILES), sub.group(OUTPUT)
    if mode in ("blend", "inpaint"):
        what = "the second one goes" if mode == "blend" else "pixels are missing"
        files.add_argument("--mask", metavar="PICTURE", type=file, help=f"bright where {what}")
    if mode == "inpaint":
        files.add_argument(
            "--keep", type=number, metavar="SHARE", help="instead: fit this share of the pixels, drawn evenly"
        )
    output.add_argument("--size", type=size, metavar="WxH", help="size of OUT (default: as INPUT)")
    output.add_argument("--zoom", type=number, metavar="F", help="instead: scale by F")
    output.add_argument(
        "--box",
        type=reads(numbers(4), "a box X0,Y0,X1,Y1"),
        metavar="X0,Y0,X1,Y1",
        help="part to write, in pixels of INPUT, as --box=-50,0,300,200; extrapolated beyond INPUT",
    )
    if mode in ("image", "gradient", "laplacian"):
        output.add_argument("--derivatives", action="store_true", help="also write OUT.derivatives.png")


def _add_audio(sub: Parser, mode: str) -> None:
    output = sub.group(OUTPUT)
    output.add_argument(
        "--rate",
        type=whole_between(1, 10**8),
        metavar="HZ",
        help="samples per second of OUT (default: as INPUT)",
    )
    output.add_argument("--spectrogram", action="store_true", help="also write OUT.spectrogram.png")


def _add_video(sub: Parser, mode: str) -> None:
    sub.group(FILES).add_argument(
        "--frames",
        type=reads(_frames, "frames FIRST:END, as 0:60 or :60"),
        metavar="FIRST:END",
        help="frames to fit, as --frames=:60 (default: all)",
    )
    sub.group(FILES).add_argument(
        "--scale", type=number, default=1.0, metavar="F", help="scale before fitting (default: 1)"
    )
    output = sub.group(OUTPUT)
    output.add_argument("--size", type=size, metavar="WxH", help="size of OUT (default: as fitted)")
    output.add_argument(
        "--rate", type=number, metavar="FPS", help="frames per second of OUT (default: as INPUT)"
    )


_ADD = {"audio": _add_audio, "video": _add_video}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """What `recon fit` does; the summary."""
    from recon.base.files import remove_leftovers
    from recon.base.lock import locked
    from recon.base.progress import Bar
    from recon.base.runs import lock_path, run_folder
    from recon.signals.fits.train import Job
    from recon.training.callbacks import ProgressBar

    mode, source = options.mode, options.inputs[0]
    out = Path(options.output or f"{Path(source).stem}.fit{ENDINGS.get(mode, '.png')}")
    check_writable(out, overwrite=True)
    preset = options.preset or "standard"
    config = changed(PRESETS[preset][mode], vars(options), _groups(mode))
    with ExitStack() as ending:
        ending.enter_context(locked(lock_path(out), str(out)))
        run = ending.enter_context(run_folder(options.run, out))
        remove_leftovers(out)
        job = Job(
            out,
            config,
            run,
            options.device,
            options.overwrite,
            [ProgressBar(show=not options.quiet)],
            options.tensorboard,
            command_origin(options.arguments, preset),
            ending.enter_context(Bar("heads", not options.quiet, ends=True)).to,
            ending.enter_context(Bar("result", not options.quiet, ends=True)).to,
        )
        job.check_writable(out)
        summary = _WORK[mode](options, job)
    say(fit_lines(summary), options.quiet)
    return summary


def _picture(options: argparse.Namespace, job: Job) -> dict[str, Any]:
    from recon.signals.fits.image import fit_image

    return fit_image(options.inputs[0], job, options.mode, _view(options), options.derivatives)[1]


def _blend(options: argparse.Namespace, job: Job) -> dict[str, Any]:
    from recon.signals.fits.blend import fit_blend

    return fit_blend(options.inputs[0], options.inputs[1], job, options.mask, _view(options))[1]


def _inpaint(options: argparse.Namespace, job: Job) -> dict[str, Any]:
    from recon.signals.fits.inpaint import fit_inpaint

    return fit_inpaint(options.inputs[0], job, options.mask, options.keep, _view(options))[1]


def _audio(options: argparse.Namespace, job: Job) -> dict[str, Any]:
    from recon.signals.fits.audio import fit_audio

    return fit_audio(options.inputs[0], job, options.rate, options.spectrogram)[1]


def _video(options: argparse.Namespace, job: Job) -> dict[str, Any]:
    from recon.signals.fits.video import fit_video

    frames = options.frames or (None, None)
    given = {"frames": frames, "scale": options.scale, "size": options.size, "rate": options.rate}
    return fit_video(options.inputs[0], job, **given)[1]


_WORK = {
    "image": _picture,
    "gradient": _picture,
    "laplacian": _picture,
    "blend": _blend,
    "inpaint": _inpaint,
    "audio": _audio,
    "video": _video,
}


def fit_lines(summary: dict[str, Any]) -> list[str]:
    """The summary as it is read."""
    found = []
    if "psnr" in summary:
        text = f"PSNR {summary['psnr']:.2f} dB"
        if "psnr_std" in summary:
            text += f" a frame (± {summary['psnr_std']:.2f} over {summary['frames']} frames)"
        if summary.get("ssim") is not None:
            text += f", SSIM {summary['ssim']:.4f}"
        if "psnr_missing" in summary:
            text += f"; PSNR of the missing pixels {summary['psnr_missing']:.2f} dB"
        found.append(text)
    if "fitted_back" in summary:
        found.append(
            f"what the {summary['mode']} does not tell, {summary['fitted_back']}, was fitted to the input"
        )
    if "snr" in summary:
        found.append(f"SNR {summary['snr']:.2f} dB")
    if "gradient_error" in summary:
        found.append(f"gradients differ from the mixed ones by {summary['gradient_error']:.1%} of their size")
    stages = ", ".join(f"{name} {value:.1f} s" for name, value in summary["seconds"].items())
    lines = [f"{'fit' if not place else '':8}{text}" for place, text in enumerate(found)]
    more = [summary[name] for name in ("derivatives", "spectrogram") if name in summary]
    return [
        f"output  {', '.join([summary['output'], *more])}",
        *lines,
        f"field   {summary['activation']}, {summary['parameters']:,} parameters, {summary['steps']:,} steps",
        f"time    {summary['seconds_all']:.1f} s: {stages}",
    ]


def _view(options: argparse.Namespace) -> View:
    from recon.signals.fits.pictures import View

    if options.size and options.zoom:
        raise UsageError("--size and --zoom say the same thing: give one of them")
    return View(options.size, options.zoom, options.box)


def _frames(text: str) -> tuple[int | None, int | None]:
    first, end = text.split(":")
    return int(first) if first else None, int(end) if end else None
