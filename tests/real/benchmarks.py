# SPDX-License-Identifier: GPL-2.0-only
"""A small benchmark in the place of OSU-Micro-Benchmarks, whose sources can't be had here: source and installation."""
import io
import tarfile
from pathlib import Path

PROGRAM = Path(__file__).with_name('programs') / 'osu_bw.c'
CONFIGURE = """#!/bin/sh
# takes CC=… as Autotools' does
for word in "$@"; do eval "$word"; done
mkdir -p c
printf 'all:\\n\\t%s -o c/osu_bw osu_bw.c && cp c/osu_bw c/osu_latency\\n' "$CC" >Makefile
"""
MODULE = """load("cpeGNU/25.03")
setenv("EBROOTOSUMINMICROMINBENCHMARKS", "{folder}")
"""


def source(path):
    """Write a source archive, laid out as OSU's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, 'w:gz') as archive:
        for name, text, mode in (('configure', CONFIGURE, 0o755), ('osu_bw.c', PROGRAM.read_text(), 0o644)):
            entry = tarfile.TarInfo(f'osu-micro-benchmarks-7.5/{name}')
            entry.size, entry.mode = len(text.encode()), mode
            archive.addfile(entry, io.BytesIO(text.encode()))


def installation(lumi, prefix, partition):
    """Compile the program into a prefix, with a module, as `eb` would have installed it."""
    name = 'OSU-Micro-Benchmarks/7.5-cpeGNU-25.03' + ('' if partition == 'C' else '-rocm')
    place = Path(prefix) / 'SW/LUMI-25.03' / partition / name
    folder = place / 'libexec/osu-micro-benchmarks/mpi/pt2pt'
    module = Path(prefix) / 'modules/LUMI/25.03/partition' / partition / f'{name}.lua'
    text = MODULE.format(folder=place)
    lumi.run(f'mkdir -p {folder} {module.parent} && module load LUMI/25.03 partition/{partition} cpeGNU/25.03 && '
             f'cc -o {folder}/osu_bw {PROGRAM} && cp {folder}/osu_bw {folder}/osu_latency', load=False, check=True)
    lumi.run(f"cat >{module} <<'TEXT'\n{text}TEXT", load=False, check=True)
