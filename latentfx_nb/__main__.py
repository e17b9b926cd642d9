"""The command `latentfx`, which is `python -m latentfx_nb`: alone it serves the pages; see `COMMANDS` for the rest."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from latentfx_nb import __version__
from latentfx_nb.serving import server

LEFT_OUT = 3
"""Exit status of `encode` where some files or clips could not be used and all others are done."""

DESCRIPTION = """\
Turn an audio-effect knob and watch, hear and measure what it does inside a neural audio model.
Without a command: serve the pages, and open the first one in the browser."""

EXAMPLES = """\
examples:
  latentfx                                           open the pages in the browser
  latentfx serve --port 9000                         serve them, and open nothing
  latentfx encode ~/recordings --encoder lyra-v2     ten effects of each clip, into a store of latents
  latentfx encode ~/recordings --sweep HPF -n 32     32 values along a knob
  latentfx encoders                                  which encoders there are, and what each still needs

latentfx COMMAND --help says more of a command."""


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
    parser = _Parser(prog="latentfx", description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument("--version", action="version", version=__version__)
    parser.set_defaults(run=lambda _: server.serve(open_browser=True))
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", parser_class=_Parser)
    for name, command in COMMANDS.items():
        sentence = f"{command.does[0].upper()}{command.does[1:]}."
        its = commands.add_parser(name, help=command.does, description=sentence, epilog=command.examples)
        command.add_options(its)
        its.set_defaults(run=command.run)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser that prints examples as they are written."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)


def _serve_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=server.PORT, help="or the next free one (default: %(default)s)")
    parser.add_argument("--open-browser", action="store_true", help="open the first page, where there is a screen")
    parser.add_argument(
        "--preheat", nargs="+", default=(), metavar="PAGE",
        help="keep a kernel ready for each of these, such as 04_knob_paths: it opens in half the time, for 0.5 GB more",
    )  # fmt: skip


def _encode_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("source", help="'bundled', 'paper' (or its halves), a folder of audio files or one file")
    names = "a name that `encoders` lists, or a variant such as lyra-v2@quantizers=8 (default: %(default)s)"
    add("--encoder", default="diffae-mini", help=names)
    add("--effects", nargs="+", metavar="LABEL", help="effects of Table 1 (default: all ten)")
    add("--sweep", metavar="LABEL", help="turn this effect's knob instead")
    add("--knob", help="the knob to turn (default: the effect's first)")
    add("-n", type=int, default=32, help="values along the knob (default: %(default)s)")
    add("--per-recording", type=int, help="at most so many clips of a recording")
    add("--store", help="where to write (default: a folder of the cache)")
    add("--shard", metavar="I/N", type=_shard, help="encode the I-th of N shares of the clips, in a job array: 3/16")
    add(
        "--on-error", choices=("skip", "raise"), default="skip",
        help="a clip that cannot be read or encoded: go on without it, name it at the end, and exit with 3; or stop "
        "there, and exit with 1 (default: %(default)s)",
    )  # fmt: skip
    add("--bf16", action="store_true", help="run large networks in bfloat16: faster, off by a percent")
    add("--device", default="auto", help="auto, cpu, cuda or mps (default: %(default)s)")
    add("--guitarset", metavar="FOLDER", help="where GuitarSet is (default: ~/mir_datasets/guitarset)")
    add("--maestro", metavar="FOLDER", help="where MAESTRO is (default: ~/mir_datasets/maestro)")
    add("--download", action="store_true", help="fetch what 'paper' needs and is not here: 0.7 and 111 GB")


def _verify_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stores", nargs="*", metavar="STORE", help="folders or URLs (default: all in the cache folder)")
    parser.add_argument(
        "--repair", action="store_true", help="drop what is bad, so that the next run encodes it again, and only it"
    )


def _warm_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("encoders", nargs="*", help="default: the one that the pages open on")


def _encoders_options(_: argparse.ArgumentParser) -> None:
    """Take no options."""


def _convert_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("family", nargs="?", help="diffae or stacked")
    parser.add_argument("checkpoint", nargs="?", metavar="CKPT", help="the file that you downloaded")
    parser.add_argument(
        "--sha256", metavar="DIGEST", help="of a checkpoint of your own, instead of the published one's"
    )
    parser.add_argument("--out", metavar="FOLDER", help="where to write (default: where the encoders look)")


def _report_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FILE", help="write it as JSON, too")


def _shard(text: str) -> tuple[int, int]:
    share = re.fullmatch(r"(\d+)/(\d+)", text)
    if share is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no share: write 3/16 for the third of sixteen")
    return int(share[1]), int(share[2])


def _serve(options: argparse.Namespace) -> None:
    server.serve(options.port, options.open_browser, preheat=options.preheat)


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

    def bar(**told: Any) -> Any:
        progress: Any = tqdm(**told)  # with one attribute more, which encoding looks for
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


class Command(NamedTuple):
    """A command of the shell: its options, what runs it, and what its help says."""

    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int | None]
    does: str
    examples: str


COMMANDS: dict[str, Command] = {
    "serve": Command(
        _serve_options,
        _serve,
        "start the dashboards",
        "examples:\n  latentfx serve --open-browser\n  latentfx serve --preheat 04_knob_paths 03_effect_clusters",
    ),
    "encode": Command(
        _encode_options,
        _encode,
        "encode a folder of clips through effects, or along a knob",
        "examples:\n  latentfx encode ~/recordings --effects CLN HPF RVB\n"
        "  latentfx encode ~/recordings --sweep RVB --knob damping -n 16\n"
        "  latentfx encode /data/clips --store /scratch/clips.zarr --shard 3/16\n"
        "  latentfx encode paper --guitarset /data/GuitarSet --maestro /data/maestro-v2.0.0",
    ),
    "verify": Command(
        _verify_options,
        _verify,
        "read stores of latents whole, and tell what is damaged in them",
        "examples:\n  latentfx verify\n  latentfx verify /scratch/clips.zarr --repair",
    ),
    "warm": Command(
        _warm_options,
        _warm,
        "prepare the bundled clips' latents in the cache, and compile what trains probes",
        "examples:\n  latentfx warm\n  latentfx warm diffae-mini logmel",
    ),
    "encoders": Command(_encoders_options, _encoders, "list the encoders", ""),
    "convert": Command(
        _convert_options,
        _convert,
        "turn a checkpoint of the paper's models into safetensors, once; without one, say where it is",
        "examples:\n  latentfx convert\n  latentfx convert diffae ~/Downloads/diffae.ckpt",
    ),
    "report": Command(
        _report_options,
        _report,
        "say what results depend on here: versions, hashes, settings and seeds",
        "examples:\n  latentfx report --out run.json",
    ),
}

if __name__ == "__main__":
    sys.exit(main())
