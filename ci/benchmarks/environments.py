# SPDX-License-Identifier: GPL-2.0-only
"""
Environments: loading one; in one file: what a Python start asks of the file system, packed and not; packing; an update.
"""
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Set, Tuple

from lumishell import Shell, standin

from lumi_hooks.env import module, pack, wheels

from .measure import Cost, MeasureError, alternating, cost_of
from .registry import Result, Run, benchmark, compared, single

PARTS, LOADS = 40, 5
# against one module
LOAD_LIMIT = 1.5
PACKAGES, MODULES = 200, 20
LIMIT = 0.1
CODE = 'import numpy; from mpi4py import rc; rc.initialize = False; from mpi4py import MPI'
_CALL = re.compile(r'(?:\d+ +)?\w+\(')


def _python() -> str:
    found = sorted(Path(standin(), 'opt/cray/pe/python').glob('*/bin/python3'))
    if not found:
        raise MeasureError('the stand-in has no cray-python')
    return str(found[-1])


@benchmark('env-load', f'"module load" of an environment of {PARTS} modules, and of one module, CPU milliseconds',
           goal=f'at most {LOAD_LIMIT} times', columns=('environment', 'one module'))
def load(run: Run) -> Iterator[Result]:
    """Modules as EasyBuild writes them, each with the toolchain and the one before, by the stand-in's Lmod."""
    own, shell = run.folder('modules'), Shell(run.folder('EasyBuild'), run.folder('home'))
    done = subprocess.run(shell.arguments(f'module use {shlex.quote(own)}; env -0'), env=shell.environment(), text=True,
                          capture_output=True, check=True)
    env = dict(item.split('=', 1) for item in done.stdout.split('\0') if '=' in item)
    toolchain = f'cpeGNU/{shell.release}'
    names = [_part(own, number, toolchain) for number in range(PARTS)]
    setting = module.resolved(names, env)
    if len(setting.roots) != PARTS or not setting.loads:
        raise MeasureError(f'{setting.loads} and {len(setting.roots)} of {PARTS} modules were found')
    Path(own, 'mine').mkdir()
    Path(own, 'mine', '1.lua').write_text(module.text(setting, ('LUMI_STACK_VERSION', shell.release), {}))

    def loading(*what: str) -> Callable[[], Cost]:
        command = f'for i in $(seq {LOADS}); do "$LMOD_CMD" bash load {" ".join(what)} >/dev/null || exit 1; done'
        return lambda: cost_of(['/bin/sh', '-c', command], env)
    for what, which in (('one module for all of them', ['mine/1']), (f'the {PARTS} modules themselves', names)):
        found = alternating(run.pairs, loading(*which), loading(names[0]), run.tell)
        yield compared(what, 'ms', *([1000 * cost.cpu / LOADS for cost in side] for side in found),
                       limit=LOAD_LIMIT if len(which) == 1 else None, note=f'with {toolchain}, which each loads')


def _part(folder: str, number: int, toolchain: str) -> str:
    """Write a module; its name."""
    name, root = f'part{number}', f'/appl/EasyBuild/part{number}/1.0-{toolchain.replace("/", "-")}'
    needs = [toolchain, *([f'part{number - 1}/1.0'] if number else [])]
    paths = {'CMAKE_PREFIX_PATH': '', 'CPATH': 'include', 'LD_LIBRARY_PATH': 'lib', 'LIBRARY_PATH': 'lib',
             'MANPATH': 'share/man', 'PATH': 'bin', 'PKG_CONFIG_PATH': 'lib/pkgconfig', 'XDG_DATA_DIRS': 'share'}
    lines = [f'help([==[\n\nDescription\n===========\nPart {number}.\n]==])', f'whatis([==[Description: {name}]==])',
             f'local root = "{root}"', f'conflict("{name}")', *(f'depends_on("{other}")' for other in needs),
             *(f'prepend_path("{key}", pathJoin(root, "{value}"))' for key, value in paths.items()),
             f'setenv("EBROOT{name.upper()}", root)', f'setenv("EBVERSION{name.upper()}", "1.0")',
             f'setenv("EBDEVEL{name.upper()}", pathJoin(root, "easybuild/{name}-easybuild-devel"))']
    path = Path(folder, name, '1.0.lua')
    path.parent.mkdir()
    path.write_text('\n'.join(lines) + '\n')
    return f'{name}/1.0'


@benchmark('packed', 'a Python start that imports numpy and mpi4py, from one file and from a folder',
           goal='the file system sees one file, whatever is in it', columns=('one file', 'folder'))
def packed(run: Run) -> Iterator[Result]:
    """
    numpy and mpi4py of the stand-in's cray-python, copied to where an environment has them. Calls are counted by
    strace; what is asked of the mounted image is answered by the kernel and the server on the same node, and is no call
    on the file system that holds the image.
    """
    if os.geteuid() or not all(map(shutil.which, ('strace', 'squashfuse_ll', 'mksquashfs', 'fusermount3'))):
        run.tell('left out: it needs root, strace, squashfs-tools, squashfuse and fuse3')
        return
    python, place, image = _python(), Path(run.work, 'env'), f'{run.work}/env.sqsh'
    _copy(python, place)
    sizes, packing, unpacking = None, [], []
    for number in range(run.pairs):
        start = time.monotonic()
        sizes = pack.pack(str(place), image)
        packing.append(time.monotonic() - start)
        start = time.monotonic()
        pack.unpack(image, f'{run.work}/out{number}')
        unpacking.append(time.monotonic() - start)
        shutil.rmtree(f'{run.work}/out{number}')
    assert sizes is not None
    run.tell(f'{sizes.inodes} files and folders, {sizes.bytes / 1e6:.0f} MB, packed {sizes.packed / 1e6:.0f} MB')
    yield compared('files and folders that the file system has', 'inodes', [1], [sizes.inodes], note='the image itself')
    yield single('packing', 's', packing, note=f'{sizes.bytes / 1e6 / min(packing):.0f} MB/s, '
                                               f'{sizes.bytes / 1e6:.0f} MB become {sizes.packed / 1e6:.0f} MB')
    yield single('unpacking', 's', unpacking, note=f'{sizes.bytes / 1e6 / min(unpacking):.0f} MB/s')
    counts: Dict[str, List[Tuple[int, int]]] = {}
    for kind in ('folder', 'first', 'other'):
        counts[kind] = [_calls(run, python, kind) for _ in range(run.pairs)]
        run.tell(f'{kind}: {counts[kind][-1]}')
    folder = counts['folder']
    for kind, what in (('other', 'a rank'), ('first', 'the first rank of a node, which mounts it')):
        yield compared(f'{what}: system calls', 'calls', [one for one, _ in counts[kind]], [one for one, _ in folder],
                       note='with those of the script that starts it' + (
                           ', of the server and of unmounting' if kind == 'first' else ''))
        yield compared(f'{what}: calls on the file system that holds it', 'calls', [one for _, one in counts[kind]],
                       [one for _, one in folder], note='with reads of the image' if kind == 'first' else '')


def _copy(python: str, place: Path) -> None:
    """An environment's packages: those of cray-python, compiled."""
    site = place / 'lib' / f'python{_minor(python)}' / 'site-packages'
    own = Path(python).parents[1] / 'lib' / f'python{_minor(python)}' / 'site-packages'
    for path in sorted(own.glob('*')):
        if path.name.startswith(('numpy', 'mpi4py')):
            shutil.copytree(path, site / path.name, symlinks=True)
    subprocess.run([python, '-m', 'compileall', '-q', site], check=True)


def _minor(python: str) -> str:
    return '.'.join(Path(python).parents[1].name.split('.')[:2])


def _calls(run: Run, python: str, kind: str) -> Tuple[int, int]:
    """
    System calls of a start, and those on the file system that holds the packages.

    :param kind: from the folder; from the image, as the first rank of a node or as one more
    """
    trace, mount = f'{run.work}/trace', f'{run.work}/mount'
    os.makedirs(mount, exist_ok=True)
    script, runs = (Path(run.work, name) for name in ('python', 'run'))
    for path, program in ((script, python), (runs, '')):
        path.write_text(pack.wrap(f'{run.work}/env.sqsh', mount, program))
        path.chmod(0o755)
    top = f'{run.work}/env' if kind == 'folder' else mount
    env = {'PYTHONPATH': f'{top}/lib/python{_minor(python)}/site-packages', 'PATH': '/usr/bin:/bin',
           'PYTHONNOUSERSITE': '1', 'PYTHONDONTWRITEBYTECODE': '1', 'HOME': run.work,
           'LD_LIBRARY_PATH': ':'.join(map(str, Path(standin(), 'opt/cray/pe').glob('mpich/8.1.32/ofi/gnu/*/lib')))}
    command = f'strace -f -y -o {trace} {python if kind == "folder" else script} -c {shlex.quote(CODE)}'
    if kind == 'other':
        # one that is there meanwhile
        command = f'{runs} sleep 20 & for i in $(seq 100); do [ -e {mount}/{pack.MARK} ] && break; sleep 0.1; done; ' \
                  f'{command}; status=$?; kill $!; wait; exit $status'
    done = subprocess.run(['unshare', '-m', 'sh', '-c', command], env=env, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise MeasureError(f'the program cannot be run: {done.stdout[-2000:]}')
    with open(trace, encoding='utf-8', errors='replace') as handle:
        lines = [line for line in handle if _CALL.match(line)]
    held = [line for line in lines if run.work in line and not (kind != 'folder' and f'{mount}/' in line)]
    return len(lines), len(held)


@benchmark('env-update', f'an update of one Python package in an environment of {PACKAGES}, and creating it',
           goal=f'at most {LIMIT:.0%}, as files and in one file',
           columns=('update', 'create'))
def update(run: Run) -> Iterator[Result]:
    """Wheels made here: what is downloaded, and EasyBuild's own part, is the same on both sides and left out."""
    python, archives = _python(), run.folder('archives')
    pins = [_wheel(archives, f'package{number}', '1.0') for number in range(PACKAGES)]
    newer = [_wheel(archives, 'package0', '1.1'), *pins[1:]]
    files: Tuple[List[float], List[float]] = ([], [])
    images: Tuple[List[float], List[float]] = ([], [])
    for number in range(run.pairs):
        top = run.folder(f'pair{number}')

        def install(what: List[wheels.Pin], name: str, store: str, top: str = top) -> Set[str]:
            return wheels.install(what, archives, f'{top}/{name}', python, f'{top}/{store}')

        def again(top: str = top, install: Callable[..., Set[str]] = install) -> None:
            pack.unpack(f'{top}/one.sqsh', f'{top}/packed', 'bin', *wheels.ABOUT)
            pack.update(f'{top}/one.sqsh', install(newer, 'packed', 'taken'), f'{top}/packed', f'{top}/two.sqsh')
        files[1].append(_timed(lambda: install(pins, 'one', 'store')))
        images[1].append(files[1][-1] + _timed(lambda top=top: pack.pack(f'{top}/one', f'{top}/one.sqsh')))
        files[0].append(_timed(lambda: install(newer, 'two', 'store')))
        images[0].append(_timed(again))
        run.tell(f'pair {number + 1}/{run.pairs}: {files[0][-1]:.1f} s, {files[1][-1]:.1f} s; in one file '
                 f'{images[0][-1]:.1f} s, {images[1][-1]:.1f} s')
        shutil.rmtree(top)
    note = f'{PACKAGES} packages of {MODULES} modules'
    yield compared('packages as files', 's', files[0], files[1], limit=LIMIT, note=f'{note}; hard links from a store')
    yield compared('packages in one file', 's', images[0], images[1], limit=LIMIT,
                   note='what has not changed is copied from the earlier image as it is packed')


def _timed(action: Callable[[], object]) -> float:
    start = time.monotonic()
    action()
    return time.monotonic() - start


def _wheel(folder: str, name: str, version: str) -> wheels.Pin:
    """Write a wheel of pure Python; its pin."""
    info = f'{name}-{version}.dist-info'
    # no two are the same: squashfs keeps such files once
    files = {f'{name}/module{module}.py': ''.join(
        f'def function{number}(x):\n    """{hashlib.sha256(f"{name} {module} {number}".encode()).hexdigest()}."""\n'
        f'    return x + {number}\n\n\n' for number in range(60)) for module in range(MODULES)}
    files[f'{name}/__init__.py'] = f'__version__ = {version!r}\n'
    files[f'{info}/METADATA'] = f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'
    files[f'{info}/WHEEL'] = 'Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n'
    files[f'{info}/RECORD'] = ''.join(f'{path},,\n' for path in (*files, f'{info}/RECORD'))
    path = Path(folder, f'{name}-{version}-py3-none-any.whl')
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return wheels.Pin(name, version, path.name, path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest(), False)
