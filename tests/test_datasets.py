"""`load_clips("paper")`: GuitarSet and MAESTRO on disk or through mirdata, the choice of clips, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import threading
import zipfile
from collections import namedtuple
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from latentfx_nb.__main__ import main
from latentfx_nb.paper import CLIP_SAMPLES, SAMPLE_RATE_HZ
from latentfx_nb.sound import audio, choosing, datasets
from latentfx_nb.sound.clips import load_clips

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

RATE = 44_100
SHEETS = ("00_BN1-129-Eb", "00_Funk3-112-C#", "05_Jazz2-187-F#", "05_SS1-68-E")
TRACKS = [f"{sheet}_{mode}" for sheet in SHEETS for mode in ("comp", "solo")]
PIECES = [
    ("Alban Berg", "Sonata Op. 1", "train", 2018, "MIDI-Unprocessed_Chamber3_MID--AUDIO_10_R3_2018_wav--1"),
    ("Claude Debussy", "Images, II", "train", 2018, "MIDI-Unprocessed_Recital20_MID--AUDIO_20_R1_2018_wav--3"),
    ("César Franck", "Prelude, Fugue", "test", 2018, "MIDI-Unprocessed_Recital1-3_MID--AUDIO_01_R1_2018_wav--2"),
    ("Alban Berg", "Sonata Op. 1", "train", 2017, "MIDI-Unprocessed_066_PIANO066_MID--AUDIO-split_3-02_wav--3"),
]
LISTED = pd.DataFrame(
    {"canonical_composer": composer, "canonical_title": title, "split": split, "year": year,
     "midi_filename": f"{year}/{name}.midi", "audio_filename": f"{year}/{name}.wav", "duration": 17.5}
    for composer, title, split, year, name in PIECES
)  # fmt: skip


@pytest.fixture(scope="module")
def published(tmp_path_factory, noise, write_audio):
    """Both data sets as they are published, of 8 and 3 short recordings: GuitarSet mono, MAESTRO stereo."""
    folder = tmp_path_factory.mktemp("published")
    guitar = {f"audio_mono-mic/{track}_mic.wav": noise(12 * RATE, 1, seed) for seed, track in enumerate(TRACKS)}
    write_audio(folder / "GuitarSet", guitar, RATE, "PCM_16")
    piano = {f"2018/{name}.wav": noise(int(17.5 * RATE), 2, 20 + i) for i, (*_, name) in enumerate(PIECES[:3])}
    write_audio(folder / "maestro-v2.0.0", piano, RATE, "PCM_16")
    LISTED.to_json(folder / "maestro-v2.0.0" / "maestro-v2.0.0.json", orient="records")
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """A set of 8 clips an instrument from 8 recordings of GuitarSet, and a home folder of its own."""
    monkeypatch.setattr(datasets, "GUITARSET_FILES", len(TRACKS))
    monkeypatch.setattr(choosing, "CLIPS_PER_INSTRUMENT", 8)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


@pytest.fixture
def load(published):
    return partial(load_clips, "paper", guitarset=published / "GuitarSet", maestro=published / "maestro-v2.0.0")


@pytest.fixture
def own_copy(published, tmp_path):
    """A copy of both, to be changed."""
    return Path(shutil.copytree(published, tmp_path / "copy"))


# The clips.


def test_the_clips_are_half_guitar_and_half_piano_and_all_full(load):
    clips = load()
    table = clips.table
    assert (clips.name, len(clips)) == ("paper", 16)
    assert table["instrument"].value_counts().to_dict() == {"guitar": 8, "piano": 8}
    assert table["mode"].value_counts().to_dict() == {"comp": 4, "solo": 4}
    assert table["clip"].is_unique and not table["padded_samples"].any()
    assert not table.duplicated(["file", "start"]).any()
    assert (table["start"] % CLIP_SAMPLES == 0).all()
    assert table["recording"].nunique() == 4 + 3
    assert all(clip.shape == (2, CLIP_SAMPLES) and clip.any() for clip in clips)


@pytest.mark.skipif(os.name != "posix", reason="links need a permission on Windows")
def test_recordings_in_a_linked_folder_are_found(load, own_copy, tmp_path):
    folder = next((own_copy / "GuitarSet").rglob("*_solo_mic.wav")).parent
    moved = folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(moved)
    expected, found = load().table, load(guitarset=own_copy / "GuitarSet").table
    columns = ["clip", "recording", "mode", "start"]
    assert found[columns].equals(expected[columns])
    assert found["file"].str.startswith(str(folder)).sum() == 8


def test_comp_and_solo_of_a_lead_sheet_are_one_recording_and_what_is_known_stands_in_the_table(load):
    rows = load().table.set_index("file")
    rows.index = [Path(file).name for file in rows.index]
    solo = rows.loc[["00_Funk3-112-C#_solo_mic.wav"]].iloc[0]
    assert solo[["recording", "player", "style", "tempo_bpm", "key", "mode", "licence"]].tolist() == [
        "00_Funk3-112-C#", "00", "Funk", 112, "C#", "solo", "CC BY 4.0"
    ]  # fmt: skip
    assert rows.loc["00_Funk3-112-C#_comp_mic.wav", "recording"] == solo["recording"]
    franck = rows.loc[[f"{PIECES[2][-1]}.wav"]].iloc[0]
    assert franck[["composer", "title", "split", "year", "recording", "licence"]].tolist() == [
        "César Franck", "Prelude, Fugue", "test", 2018, PIECES[2][-1], "CC BY-NC-SA 4.0"
    ]  # fmt: skip
    assert pd.isna(franck["player"]) and pd.isna(solo["composer"]) and pd.isna(solo["year"])


def test_stereo_is_mixed_to_mono_and_doubled_as_in_the_paper(load, published):
    clips = load()
    row = int(np.flatnonzero(clips.table["instrument"] == "piano")[0])
    file, start = clips.table["file"].iat[row], int(clips.table["start"].iat[row])
    stereo = audio.read(file, SAMPLE_RATE_HZ, start, CLIP_SAMPLES)
    for clip in (clips[row], clips[row:][0], clips[[row]][0], clips[(clips.table.index == row)][0]):
        assert audio.is_doubled(clip)
        assert np.array_equal(clip[0], stereo.mean(axis=0))
    apart = load_clips(Path(file))
    same_place = apart[start // CLIP_SAMPLES : start // CLIP_SAMPLES + 1]
    assert np.array_equal(same_place[0], stereo)
    assert same_place.hashes() != clips[[row]].hashes()


def test_one_half_needs_one_data_set(published):
    guitar = load_clips("guitarset", guitarset=published / "GuitarSet")
    piano = load_clips("maestro", maestro=published)  # the folder around it will do
    assert guitar.table["instrument"].unique().tolist() == ["guitar"] and len(guitar) == 8
    assert piano.table["instrument"].unique().tolist() == ["piano"] and len(piano) == 8


def test_a_data_set_in_mirdatas_own_place_is_found_there(published, load, tmp_path):
    shutil.copytree(published / "GuitarSet", tmp_path / "home/mir_datasets/guitarset")
    shutil.copytree(published / "maestro-v2.0.0", tmp_path / "home/mir_datasets/maestro")
    assert load_clips("paper").table["clip"].tolist() == load().table["clip"].tolist()


# The choice.


def full_size():
    """A table as long as the real one: 180 comp, 180 solo of 4 to 7 clips, 93 performances of 10 to 200."""
    lengths = np.random.default_rng(1)
    files = [
        {"file": f"/a/{n:03}_{mode}.wav", "instrument": "guitar", "recording": f"{n:03}", "mode": mode, "clips": clips}
        for n in range(180) for mode, clips in zip(("comp", "solo"), lengths.integers(4, 8, 2))
    ]  # fmt: skip
    files += [
        {"file": f"/b/{n:02}.wav", "instrument": "piano", "recording": f"p{n:02}", "clips": clips}
        for n, clips in enumerate(lengths.integers(10, 200, 93))
    ]
    table = pd.DataFrame(files)
    table = table.loc[table.index.repeat(table["clips"])].reset_index(drop=True)
    cut = table.groupby("file").cumcount()
    return table.assign(start=cut * CLIP_SAMPLES, padded_samples=np.where(cut == table["clips"] - 1, 7, 0))


@pytest.fixture
def all_sound(monkeypatch):
    monkeypatch.setattr(choosing, "CLIPS_PER_INSTRUMENT", 512)
    monkeypatch.setattr(choosing, "_sounds", lambda file, start: True)


def places(table):
    return sorted(zip(table["file"], table["start"], strict=True))


def test_the_choice_is_spread_evenly_over_recordings(all_sound):
    chosen = choosing.choose(full_size())
    assert chosen["instrument"].value_counts().to_dict() == {"guitar": 512, "piano": 512}
    assert chosen["mode"].value_counts().to_dict() == {"comp": 256, "solo": 256}
    counts = chosen.groupby("file").size()
    assert counts.groupby(counts.index.str[:2]).agg(["size", "min", "max"]).to_numpy().tolist() == [
        [360, 1, 2], [93, 5, 6]
    ]  # fmt: skip
    assert not chosen["padded_samples"].any()


def test_the_choice_depends_on_the_seed_alone(all_sound):
    table = full_size()
    chosen = choosing.choose(table)
    shuffled = table.sample(frac=1, random_state=3, ignore_index=True)
    moved = table.assign(file=table["file"].str.replace("/a/", "/other/place/").str.replace(".wav", ".flac"))
    assert places(choosing.choose(shuffled)) == places(chosen)
    assert choosing.choose(moved).index.tolist() == chosen.index.tolist()
    assert len(set(places(choosing.choose(table, seed=1))) & set(places(chosen))) < 0.7 * len(chosen)
    # Pinned, so that no later version takes other clips unnoticed.
    names = " ".join(f"{Path(file).stem}:{start}" for file, start in places(chosen))
    assert hashlib.sha256(names.encode()).hexdigest()[:16] == "c123cdb98849e9ef"


def test_a_cap_a_recording_keeps_some_of_the_same_clips(all_sound):
    table = full_size()
    capped = choosing.choose(table, per_recording=1)
    assert capped["recording"].is_unique and len(capped) == 180 + 93
    assert set(places(capped)) <= set(places(choosing.choose(table)))
    assert 60 < (capped["mode"] == "comp").sum() < 120  # neither mode is preferred


def test_silent_clips_are_passed_over(own_copy):
    quiet = own_copy / "maestro-v2.0.0/2018" / f"{PIECES[0][-1]}.wav"
    sound, rate = soundfile.read(quiet)
    sound[: int(1.02 * CLIP_SAMPLES * rate / SAMPLE_RATE_HZ)] = 0  # the first clip, and a little of the second
    second = int(1.9 * CLIP_SAMPLES * rate / SAMPLE_RATE_HZ)
    sound[int(1.1 * CLIP_SAMPLES * rate / SAMPLE_RATE_HZ) : second] = 0  # its middle too: it sounds at its ends
    soundfile.write(quiet, sound, rate, subtype="PCM_16")
    clips = load_clips("maestro", maestro=own_copy)
    starts = clips.table.loc[clips.table["file"] == str(quiet.resolve()), "start"]
    assert starts.tolist() == [CLIP_SAMPLES, 2 * CLIP_SAMPLES]
    assert all(np.isfinite(audio.loudness_lufs(clip, SAMPLE_RATE_HZ)) for clip in clips)


def test_too_few_clips_are_said_so(load, monkeypatch):
    monkeypatch.setattr(choosing, "CLIPS_PER_INSTRUMENT", 10)
    with pytest.raises(
        ValueError, match=r"recordings of piano give 9 full clips with sound in them, and the set takes 10"
    ):
        load()


# What lies on disk.


def write_list(folder, form):
    (folder / "maestro-v2.0.0.json").unlink()
    if form == "csv":
        LISTED.to_csv(folder / "maestro-v2.0.0.csv", index=False)
    else:
        (folder / "maestro-v3.0.0.json").write_text(LISTED.to_json(orient="columns"))


@pytest.mark.parametrize("form", ["columns", "csv"])
def test_every_published_form_of_maestros_list_says_the_same(form, own_copy, load):
    before = load().table.drop(columns="file")
    write_list(own_copy / "maestro-v2.0.0", form)
    pd.testing.assert_frame_equal(load(maestro=own_copy / "maestro-v2.0.0").table.drop(columns="file"), before)


def test_flac_is_as_good_as_wav(own_copy, load):
    clips = load()
    for wav in own_copy.rglob("*.wav"):
        sound, rate = soundfile.read(wav, dtype="int16")
        soundfile.write(wav.with_suffix(".flac"), sound, rate)
        wav.unlink()
    copies = load_clips("paper", guitarset=own_copy / "GuitarSet", maestro=own_copy / "maestro-v2.0.0")
    assert copies.table["clip"].tolist() == clips.table["clip"].tolist()
    assert all(file.endswith(".flac") for file in copies.table["file"])
    assert np.array_equal(copies[12], clips[12])


def test_other_files_are_no_matter(own_copy, load):
    """What the rest of GuitarSet, macOS and unzipping leave behind."""
    mic = own_copy / "GuitarSet/audio_mono-mic"
    for other in (f"._{TRACKS[0]}_mic.wav", f"{TRACKS[0]}_mic.txt", "00_Waltz1-90-C_comp_mic.wav", "x_mic.wav"):
        (mic / other).write_bytes(b"?")
    (own_copy / "GuitarSet/audio_mono-pickup_mix").mkdir()
    shutil.copy(mic / f"{TRACKS[0]}_mic.wav", own_copy / f"GuitarSet/audio_mono-pickup_mix/{TRACKS[0]}_mix.wav")
    assert load(guitarset=own_copy / "GuitarSet").table["clip"].tolist() == load().table["clip"].tolist()


def test_what_is_not_there_is_said_with_sizes_licences_and_remedies(published):
    with pytest.raises(FileNotFoundError) as caught:
        load_clips("paper")
    message = str(caught.value)
    for part in (
        "mir_datasets/guitarset",
        "mir_datasets/maestro",
        "guitarset=FOLDER, maestro=FOLDER",
        "download=True",
        "0.7 GB",
        "111 GB",
        "242 GB",
        "of which 2018 is used",
        "CC BY 4.0",
        "CC BY-NC-SA 4.0",
    ):
        assert part in message.replace("\\", "/"), part
    with pytest.raises(FileNotFoundError, match="MAESTRO is not in") as caught:
        load_clips("paper", guitarset=published / "GuitarSet", maestro=published / "nowhere")
    assert "GuitarSet" not in str(caught.value)


def test_a_part_of_a_data_set_gives_no_other_choice(own_copy, load):
    next((own_copy / "GuitarSet").rglob("*_solo_mic.wav")).unlink()
    with pytest.raises(ValueError, match=r"holds 7 of the 8 microphone recordings.*add the rest, or .*load_clips\('"):
        load(guitarset=own_copy / "GuitarSet")
    next((own_copy / "maestro-v2.0.0").rglob("*.wav")).unlink()
    with pytest.raises(ValueError, match=r"holds 2 of the 3 performances of 2018 that maestro-v2.0.0.json names"):
        load(maestro=own_copy / "maestro-v2.0.0", download=True)  # nothing was interrupted: it is left alone


def test_a_broken_recording_is_not_skipped_as_clips_are_chosen_among_all(own_copy):
    recording = next(own_copy.rglob("*_solo_mic.wav"))
    recording.write_bytes(b"no sound")
    with pytest.raises(ValueError, match=r"1 of 8 files cannot be used: .*_solo_mic\.wav.*; repair or remove them"):
        load_clips("guitarset", guitarset=own_copy / "GuitarSet")


@pytest.mark.parametrize("content", ["{", "[]", '{"year": 3}', "[1, 2]", '[{"year": 2018}]', '[{"year": "x"}]'])
def test_a_broken_list_of_performances_is_named(own_copy, load, content):
    (own_copy / "maestro-v2.0.0/maestro-v2.0.0.json").write_text(content)
    with pytest.raises(
        ValueError, match=r"maestro-v2.0.0.json is not MAESTRO's list of performances .*download it again"
    ):
        load(maestro=own_copy / "maestro-v2.0.0")


def test_recordings_without_their_list_need_it(own_copy, load):
    (own_copy / "maestro-v2.0.0/maestro-v2.0.0.json").unlink()
    with pytest.raises(ValueError, match=r"recordings but not the list of them.*get it from https://magenta"):
        load(maestro=own_copy / "maestro-v2.0.0")


def test_arguments_that_have_no_meaning_are_refused(published, tmp_path):
    with pytest.raises(ValueError, match=r"'guitarset' takes nothing from maestro=.*leave that out, or load 'paper'"):
        load_clips("guitarset", maestro=published)
    for option in ({"guitarset": published}, {"maestro": published}, {"download": True}, {"seed": 1}):
        for source in ("bundled", tmp_path):
            with pytest.raises(ValueError, match="guitarset, maestro, download and seed are for load_clips"):
                load_clips(source, **option)
    with pytest.raises(ValueError, match="per_recording = 0 leaves no clip"):
        load_clips("paper", 0)


# The command line.


def test_encode_takes_the_papers_clips(published, own_cache, capsys, monkeypatch):
    monkeypatch.setattr(choosing, "CLIPS_PER_INSTRUMENT", 2)
    folders = ["--guitarset", str(published / "GuitarSet"), "--maestro", str(published / "maestro-v2.0.0")]
    assert main(["encode", "paper", *folders, "--encoder", "logmel", "--effects", "CLN"]) == 0
    assert capsys.readouterr().out.startswith("clip 4, effect 1, ")
    assert main(["encode", "paper", "--encoder", "logmel"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert "--guitarset FOLDER --maestro FOLDER" in err and "--download" in err


# mirdata.


Server = namedtuple("Server", "folder asked")


@pytest.fixture
def mirdata_server(published, tmp_path, monkeypatch):
    """The archives and indexes of mirdata's own form on a local server, from which mirdata believes them to come."""
    pytest.importorskip("mirdata")
    from mirdata import core, download_utils
    from mirdata.datasets import guitarset, maestro

    folder = tmp_path / "server"
    folder.mkdir()
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("no_proxy", "*")

    def serve(kind, name, content, **places):
        path = folder / name
        path.write_bytes(content) if isinstance(content, bytes) else zip_to(path, *content)
        url = f"http://127.0.0.1:{server.server_port}/{name}"
        return kind(filename=name, url=url, checksum=md5(path), **places)

    def index(name, tracks):
        made = serve(core.Index, name, json.dumps({"version": "small", "tracks": tracks}).encode())
        made.indexes_dir = made.remote.destination_dir = str(tmp_path / "indexes")
        return made

    mic, years = published / "GuitarSet/audio_mono-mic", published / "maestro-v2.0.0"
    tracks = {
        track: {
            **dict.fromkeys(("audio_hex_cln", "audio_hex", "audio_mix", "jams"), [None, None]),
            "audio_mic": [f"audio_mono-mic/{track}_mic.wav", md5(mic / f"{track}_mic.wav")],
        }
        for track in TRACKS
    }
    performances = {
        f"{year}/{name}": {
            "midi": [f"{year}/{name}.midi", "0"],
            "audio": [f"{year}/{name}.wav", md5(years / f"2018/{name}.wav") if year == 2018 else "0"],
        }
        for *_, year, name in PIECES
    }
    remote = download_utils.RemoteFileMetadata
    mic_zip = serve(remote, "audio_mono-mic.zip", (mic, "."), destination_dir="audio_mono-mic")
    all_zip = serve(remote, "maestro-v2.0.0.zip", (years, "maestro-v2.0.0"), unpack_directories=["maestro-v2.0.0"])
    monkeypatch.setattr(guitarset, "REMOTES", {"audio_mic": mic_zip})
    monkeypatch.setattr(maestro, "REMOTES", {"all": all_zip})
    monkeypatch.setitem(guitarset.INDEXES, "1.1.0", index("guitarset_index_1.1.0.json", tracks))
    monkeypatch.setitem(maestro.INDEXES, "2.0.0", index("maestro_index_2.0.0.json", performances))
    yield Server(folder, asked)
    server.shutdown()
    server.server_close()


@pytest.fixture
def room(monkeypatch):
    """A disk with more space than is needed; the function given sets another."""

    def set_free(size):
        usage = shutil.disk_usage("/")._replace(free=int(size))
        monkeypatch.setattr("latentfx_nb.cache.shutil.disk_usage", lambda _: usage)

    set_free(1e12)
    return set_free


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def zip_to(path, source, inside):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(one for one in source.rglob("*") if one.is_file()):
            archive.write(file, Path(inside, file.relative_to(source)))


def test_mirdata_reads_the_same_from_the_same_folders(published, mirdata_server, load):
    import mirdata

    table = load().table.set_index("file")
    guitar = mirdata.initialize("guitarset", str(published / "GuitarSet"))
    guitar.download(["index"])
    for track in guitar.load_tracks().values():
        for _, row in table.loc[table.index == str(Path(track.audio_mic_path).resolve())].iterrows():
            assert (row["player"], row["style"], row["tempo_bpm"], row["mode"]) == (
                track.player_id, track.style, track.tempo, track.mode
            )  # fmt: skip
    piano = mirdata.initialize("maestro", str(published / "maestro-v2.0.0"))
    piano.download(["index"])
    found = 0
    for track in piano.load_tracks().values():
        rows = table.loc[table.index == str(Path(track.audio_path).resolve())]
        found += len(rows)
        assert len(rows) == 0 or track.year == 2018
        for _, row in rows.iterrows():
            assert (row["composer"], row["title"], row["split"], row["year"]) == (
                track.canonical_composer, track.canonical_title, track.split, track.year
            )  # fmt: skip
    assert found == 8


def test_mirdata_downloads_verifies_and_unpacks_once(mirdata_server, room, load, tmp_path, capsys):
    clips = load_clips("paper", download=True)
    assert clips.table["clip"].tolist() == load().table["clip"].tolist()
    assert np.array_equal(clips[15], load()[15])
    out, err = capsys.readouterr()
    assert out == ""
    for part in ("GuitarSet (its microphone recordings; licence CC BY 4.0", "0.7 GB", "MIT License", "DISCLAIMER",
                 "MAESTRO (all ten years", "licence CC BY-NC-SA 4.0", "111 GB", "(CC BY-NC-SA 4.0)"):  # fmt: skip
        assert part in err, part
    home = tmp_path / "home/mir_datasets"
    assert sorted(home.rglob("*.zip")) == []
    assert {path.name for path in (home / "maestro").iterdir()} == {"2018", "maestro-v2.0.0.json"}
    asked = len(mirdata_server.asked)
    assert asked == 4
    load_clips("paper", download=True)
    assert len(mirdata_server.asked) == asked and capsys.readouterr() == ("", "")


def test_a_download_goes_where_the_folder_says_and_only_for_what_is_missing(mirdata_server, room, published, tmp_path):
    load_clips("paper", guitarset=tmp_path / "new", maestro=published, download=True)
    assert (tmp_path / "new/audio_mono-mic" / f"{TRACKS[0]}_mic.wav").is_file()
    assert not (tmp_path / "home").exists()
    assert not any("maestro" in path for path in mirdata_server.asked)


def test_the_licences_are_shown_before_anything_is_fetched(mirdata_server, room, capsys):
    for path in mirdata_server.folder.iterdir():
        path.unlink()
    with pytest.raises(OSError, match=r"index of GuitarSet, .* could not be put at .*404.*see to the network"):
        load_clips("paper", download=True)
    assert re.search("Downloading GuitarSet.*MIT License.*Downloading MAESTRO", capsys.readouterr().err, re.DOTALL)


def test_an_archive_that_is_not_the_published_one_is_refused(mirdata_server, room):
    with open(mirdata_server.folder / "audio_mono-mic.zip", "ab") as file:
        file.write(b"more")
    with pytest.raises(
        OSError, match=r"GuitarSet could not be downloaded .*MD5 checksum.*first delete it or .*curl -L"
    ) as caught:
        load_clips("guitarset", download=True)
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):  # nothing of it was unpacked
        load_clips("guitarset")


def test_an_interrupted_download_can_be_completed(mirdata_server, room, tmp_path, load):
    archive = tmp_path / "home/mir_datasets/maestro/maestro-v2.0.0.zip"
    archive.parent.mkdir(parents=True)
    whole = (mirdata_server.folder / archive.name).read_bytes()
    archive.write_bytes(whole[:-1000])
    with pytest.raises(OSError, match=r"curl -L -C - -o '.*maestro-v2.0.0.zip' 'http://127"):
        load_clips("maestro", download=True)
    archive.write_bytes(whole)
    # and the unpacking of it was interrupted before:
    zip_folder = archive.parent / "maestro-v2.0.0/2018"
    zip_folder.mkdir(parents=True)
    LISTED.to_json(zip_folder.parent / "maestro-v2.0.0.json", orient="records")
    with pytest.raises(ValueError, match="holds 0 of the 3 performances"):
        load_clips("maestro")
    assert len(load_clips("maestro", download=True)) == 8
    assert not archive.exists()
    assert "/maestro-v2.0.0.zip" not in "".join(mirdata_server.asked)


def test_recordings_that_were_changed_are_named(mirdata_server, own_copy):
    folder = own_copy / "GuitarSet"
    assert datasets.validate("guitarset", folder) == 8
    assert datasets.validate("maestro", own_copy) == 3
    changed = folder / "audio_mono-mic" / f"{TRACKS[3]}_mic.wav"
    changed.write_bytes(changed.read_bytes()[:-2])
    with pytest.raises(ValueError, match=rf"1 of 8 recordings of GuitarSet are not as .*{TRACKS[3]}_mic.wav; replace"):
        datasets.validate("guitarset", folder)
    with pytest.raises(ValueError, match="'paper' is no data set; name one of guitarset, maestro"):
        datasets.validate("paper")


def test_too_little_space_is_said_before_anything_is_fetched(mirdata_server, room):
    room(100e9)
    with pytest.raises(OSError, match=r"100.0 GB free, but the data sets need 243.6 GB; .* folders on a larger disk"):
        load_clips("paper", download=True)
    assert mirdata_server.asked == []


def test_without_mirdata_folders_are_read_and_a_download_says_what_to_install(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "mirdata", None)
    assert len(load()) == 16
    with pytest.raises(ImportError, match=r"pip install 'latentfx-nb\[datasets\]', or download it yourself from https"):
        load_clips("paper", download=True)
    with pytest.raises(ImportError, match="mirdata downloads and checks MAESTRO"):
        datasets.validate("maestro", load.keywords["maestro"])
