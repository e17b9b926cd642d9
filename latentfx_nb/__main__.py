"""The command `python -m latentfx_nb`: encode, verify, warm, encoders, convert, serve and report."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from latentfx_nb import __version__
from latentfx_nb.serving import server

LEFT_OUT = 3
"""Exit status of `encode` where some files or clips could not be used and all others are done."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an error that the reader can mend is one sentence on stderr and the exit status 1."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except (ValueError, OSError, ImportError, RuntimeError, MemoryError) as error:
        sys.stderr.write(f"latentfx_nb: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("latentfx_nb: stopped; what was finished is kept\n")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m latentfx_nb", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    encode = commands.add_parser("encode", help="encode a folder of clips through effects, or along a knob")
    encode.add_argument("source", help="'bundled', 'paper' (or its halves), a folder of audio files or one file")
    encode.add_argument("--guitarset", metavar="FOLDER", help="where GuitarSet is (default: ~/mir_datasets/guitarset)")
    encode.add_argument("--maestro", metavar="FOLDER", help="where MAESTRO is (default: ~/mir_datasets/maestro)")
    encode.add_argument(
        "--download", action="store_true", help="fetch what 'paper' needs and is not here: 0.7 and 111 GB"
    )
    encode.add_argument("--encoder", default="diffae-mini", help="a name that `encoders` lists (default: %(default)s)")
    encode.add_argument("--effects", nargs="+", metavar="LABEL", help="effects of Table 1 (default: all ten)")
    encode.add_argument("--sweep", metavar="LABEL", help="turn this effect's knob instead")
    encode.add_argument("--knob", help="the knob to turn (default: the effect's first)")
    encode.add_argument("-n", type=int, default=32, help="values along the knob (default: %(default)s)")
    encode.add_argument("--per-recording", type=int, help="at most so many clips of a recording")
    encode.add_argument("--store", help="where to write (default: a folder of the cache)")
    encode.add_argument(
        "--shard", metavar="I/N", type=_shard, help="encode the I-th of N shares of the clips, in a job array: 3/16"
    )
    encode.add_argument(
        "--on-error", choices=("skip", "raise"), default="skip",
        help="a clip that cannot be read or encoded: go on without it, name it at the end, and exit with 3; or stop "
        "there, and exit with 1 (default: %(default)s)",
    )  # fmt: skip
    encode.add_argument("--bf16", action="store_true", help="run large networks in bfloat16: faster, off by a percent")
    encode.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: %(default)s)")
    encode.set_defaults(run=_encode)

    verify = commands.add_parser("verify", help="read stores of latents whole, and tell what is damaged in them")
    verify.add_argument("stores", nargs="*", metavar="STORE", help="folders or URLs (default: all in the cache folder)")
    verify.add_argument(
        "--repair", action="store_true", help="drop what is bad, so that the next run encodes it again, and only it"
    )
    verify.set_defaults(run=_verify)

    warm = commands.add_parser(
        "warm", help="prepare the bundled clips' latents in the cache, and compile what trains probes"
    )
    warm.add_argument("encoders", nargs="*", help="default: the one that the pages open on")
    warm.set_defaults(run=_warm)

    commands.add_parser("encoders", help="list the encoders").set_defaults(run=_encoders)

    convert = commands.add_parser(
        "convert", help="turn a checkpoint of the paper's models into safetensors, once; without one, say where it is"
    )
    convert.add_argument("family", nargs="?", help="diffae or stacked")
    convert.add_argument("checkpoint", nargs="?", metavar="CKPT", help="the file that you downloaded")
    convert.add_argument(
        "--sha256", metavar="DIGEST", help="of a checkpoint of your own, instead of the published one's"
    )
    convert.add_argument("--out", metavar="FOLDER", help="where to write (default: where the encoders look)")
    convert.set_defaults(run=_convert)

    serve = commands.add_parser("serve", help="start the dashboards")
    serve.add_argument("--port", type=int, default=server.PORT, help="or the next free one (default: %(default)s)")
    serve.add_argument("--open-browser", action="store_true")
    serve.add_argument(
        "--preheat", nargs="+", default=(), metavar="PAGE",
        help="keep a kernel ready for each of these, such as 04_knob_paths: it opens in half the time, for 0.5 GB more",
    )  # fmt: skip
    serve.set_defaults(run=lambda options: server.serve(options.port, options.open_browser, preheat=options.preheat))

    report = commands.add_parser("report", help="say what results depend on here: versions, hashes, settings and seeds")
    report.add_argument("--out", metavar="FILE", help="write it as JSON, too")
    report.set_defaults(run=_report)
    return parser


def _shard(text: str) -> tuple[int, int]:
    share = re.fullmatch(r"(\d+)/(\d+)", text)
    if share is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no share: write 3/16 for the third of sixteen")
    return int(share[1]), int(share[2])


def _encode(options: argparse.Namespace) -> int:
    from tqdm.auto import tqdm

    from latentfx_nb.encoders import load_encoder
    from latentfx_nb.sound.clips import load_clips
    from latentfx_nb.store.encode import encode_effects, encode_sweep

    if options.sweep and options.effects:
        raise ValueError("--sweep turns one knob and --effects renders Table 1's settings; give one of the two")
    if options.knob and not options.sweep:
        raise ValueError(f"--knob {options.knob} names what --sweep turns; give --sweep with the effect's label too")
    clips = load_clips(
        options.source, options.per_recording,
        guitarset=options.guitarset, maestro=options.maestro, download=options.download, warn=False,
    )  # fmt: skip
    left_out = [f"{file}: {reason}" for file, reason in clips.skipped.items()]

    def bar(**told) -> tqdm:
        progress = tqdm(**told)
        progress.skipped = lambda skipped: left_out.extend(skipped.values())
        return progress

    way = {"shard": options.shard, "bar": bar, "on_error": options.on_error}
    try:
        encoder = load_encoder(options.encoder, options.device, bf16=options.bf16)
        if options.sweep:
            latents = encode_sweep(clips, encoder, options.sweep, options.n, options.knob, options.store, **way)
        else:
            latents = encode_effects(clips, encoder, options.effects, options.store, **way)
        sizes = ", ".join(f"{dim} {size}" for dim, size in latents.sizes.items())
        sys.stdout.write(f"{sizes}: {latents.encoding['source']}\n")
    finally:
        for sentence in left_out:
            sys.stderr.write(f"latentfx_nb: left out {sentence}\n")
    return LEFT_OUT if left_out else 0


def _verify(options: argparse.Namespace) -> int:
    from latentfx_nb.cache import cache_dir
    from latentfx_nb.store.verify import verify

    folder = cache_dir() / "latents"
    places = options.stores or sorted(folder.glob("*.zarr"))
    if not places:
        sys.stdout.write(f"{folder} holds no store yet\n")
    sound = True
    for place in places:
        verdict = verify(place, options.repair)
        sys.stdout.write(f"{verdict}\n")
        sound &= verdict.is_sound
    return 0 if sound else 1


def _warm(options: argparse.Namespace) -> None:
    from latentfx_nb.analysis.fast.linear import compile_kernels
    from latentfx_nb.encoders import DEFAULT_ENCODERS, load_encoder
    from latentfx_nb.sound.clips import load_clips
    from latentfx_nb.store.encode import encode_effects

    compile_kernels()
    for name in options.encoders or DEFAULT_ENCODERS[:1]:
        encode_effects(load_clips("bundled"), load_encoder(name), on_error="raise")
        sys.stdout.write(f"{name}: ready\n")


def _encoders(_: argparse.Namespace) -> None:
    from latentfx_nb.encoders import list_encoders

    sys.stdout.write(list_encoders().drop(columns="weights").to_string() + "\n")


def _convert(options: argparse.Namespace) -> None:
    from latentfx_nb.encoders.sources.checkpoints import convert, sources

    if options.checkpoint is None:
        sys.stdout.write(f"{sources(options.family)}\n")
        return
    for path in convert(options.family, options.checkpoint, options.out, options.sha256):
        sys.stdout.write(f"{path}: {path.stat().st_size / 1e6:.1f} MB\n")


def _report(options: argparse.Namespace) -> None:
    import json

    from latentfx_nb.cache import atomic_write
    from latentfx_nb.report import report_text, run_report

    found = run_report()
    sys.stdout.write(report_text(found) + "\n")
    if options.out:
        with atomic_write(Path(options.out).expanduser()) as file:
            file.write(json.dumps(found, indent=2).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
