# SPDX-License-Identifier: GPL-2.0-only
"""
Python packages of an environment: resolved into exact archives with hashes, fetched, and installed without a network.

What cray-python and the loaded modules carry is a constraint, and is not installed again. A wheel with an MPI of its
own is replaced by its source, which the Cray PE's wrappers build, or refused (foreign.py).
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.parse
import zipfile
from typing import Dict, Iterable, List, Mapping, NamedTuple, Sequence, Set, Tuple

from .. import quote, tree
from ..errors import LumiHooksError
from ..files import read_json, replacing
from ..index import normal_name
from . import asked, foreign, pip, stored

# built with the Cray PE's wrappers, instead of a wheel that was refused
WRAPPERS = 'wrappers'
_VERSION = re.compile(r'[A-Za-z0-9][A-Za-z0-9.!+_-]*\Z')
# wheels for any machine hold no ELF files
_PURE = '-any.whl'
# in a prefix: its packages by their names in the store, once all are there
_KEYS = '.lumi-hooks-packages.json'
# what says which packages are in a prefix, as patterns
ABOUT = (_KEYS, *(f'lib*/python*/site-packages/*.dist-info/{name}' for name in ('METADATA', 'RECORD')))
# replacing a wheel may bring in others
_ROUNDS = 5


class Refused(NamedTuple):
    """A wheel that is not used: its version, and why."""
    version: str
    why: str


class Pin(NamedTuple):
    """
    One archive, exactly. `mpi`: foreign.ABI (it runs over cray-mpich-abi), WRAPPERS (built against Cray MPICH, as its
    wheel was refused) or ''. `build`: it is there while sources are built, and is not installed.
    """
    name: str
    version: str
    filename: str
    url: str
    sha256: str
    source: bool
    mpi: str = ''
    build: bool = False


def resolve(requirements: Sequence[str], python: str, carried: Mapping[str, str], cache: str) -> List[Pin]:
    """
    The archives that requirements need beyond what is there, and those that sources are built with; sorted.

    :param requirements: as pip takes them (NAME, NAME>=VERSION, NAME @ https://…), or paths of a requirements.txt or
        a pyproject.toml
    :param python: the interpreter that they are for
    :param carried: name -> version of what it or modules have already
    :param cache: folder for what has to be looked into; `fetch` into the same one downloads nothing twice
    :raises LumiHooksError: they do not go together with each other or with what is carried; one can't be locked; one
        brings an MPI that can't be used here. The message says why
    """
    pip.check_version(python)
    wanted = [line for item in requirements for line in _lines(item)]
    there = {normal_name(name): version for name, version in carried.items() if _VERSION.match(version)}
    refused: Dict[str, Refused] = {}
    for _ in range(_ROUNDS):
        pins = _resolved(wanted, python, there, refused)
        verdicts = _verdicts(pins, python, cache)
        bad = {name: Refused(version, verdict.refused) for (name, version), verdict in verdicts.items()
               if verdict.refused}
        if not bad:
            uses = {name: verdict.mpi for (name, _), verdict in verdicts.items()}
            uses.update(dict.fromkeys(refused, WRAPPERS))
            pins = [pin._replace(mpi=uses.get(normal_name(pin.name), '')) for pin in pins]
            return sorted(_with_builders(pins, python, cache), key=lambda pin: (pin.build, normal_name(pin.name)))
        refused.update(bad)
    raise LumiHooksError(_no_source(refused))


def fetch(pins: Iterable[Pin], folder: str, python: str = '') -> None:
    """
    Put the archives of pins into a folder; each appears when it is whole and has its hash, and one that is there stays.

    :param python: the interpreter whose pip fetches them; the one that runs this where it is not given
    :raises LumiHooksError: one can't be had, or is not what was locked
    """
    os.makedirs(folder, exist_ok=True)
    stored.tidy(folder)  # also where an earlier fetch was killed with its last file in place
    missing = [pin for pin in pins if not _is_there(pin, folder)]
    while missing:
        # pip takes one version of a name at a time
        now = list({normal_name(pin.name): pin for pin in reversed(missing)}.values())
        missing = [pin for pin in missing if pin not in now]
        with stored.filling(folder) as part:
            lock = os.path.join(part, 'requirements.txt')
            with open(lock, 'w', encoding='utf-8') as stream:
                stream.write(_lock(now))
            pip.run(python or 'python3', 'download', '-q', '--no-deps', '--require-hashes', '-r', lock, '-d', part,
                    *_no_binary(pin.name for pin in now if pin.source), network=True)
            for pin in now:
                if not _is_there(pin, part):
                    raise LumiHooksError(f'pip has not fetched {quote.line(pin.filename)} as it was locked')
                os.replace(os.path.join(part, pin.filename), os.path.join(folder, pin.filename))


def install(pins: Iterable[Pin], folder: str, target: str, python: str, store: str) -> Set[str]:
    """
    Install archives into a prefix, without a network: what the store lacks is installed into it, all is linked from it.

    :param folder: where `fetch` has put them
    :param target: the prefix (bin, lib/python…/site-packages); what an earlier run has left in it is completed, and
        what of an earlier generation is in it is kept where it is wanted still. ABOUT is enough of that
    :param store: a folder in the same file system, kept between installations
    :return: the files of packages that were kept, relative to the prefix
    :raises LumiHooksError: an archive is missing or has another hash; one can't be built; they do not go together
    """
    pins = list(pins)
    wanted = [pin for pin in pins if not pin.build]
    for pin in pins:
        if not _is_there(pin, folder):
            raise LumiHooksError(f'{quote.line(pin.filename)} is not in {quote.line(folder)} as it was locked')
    tag = _tag(python)
    keys = {pin: _key(pin, tag) for pin in wanted}
    there = _kept(target, set(keys.values()))
    places = {pin: os.path.join(store, keys[pin]) for pin in wanted if keys[pin] not in there}
    missing = [pin for pin in places if not os.path.isdir(places[pin])]
    stored.tidy(store)
    if missing:
        with stored.filling(store) as part:
            # these alone: there may be other archives of the same version
            for pin in {pin.filename: pin for pin in (*missing, *(pin for pin in pins if pin.build))}.values():
                os.symlink(os.path.join(os.path.abspath(folder), pin.filename), os.path.join(part, pin.filename))
            _install_into(os.path.join(part, 'all'), missing, python, part)
            for pin in missing:
                stored.split(os.path.join(part, 'all'), pin.name, pin.version, places[pin])
    os.makedirs(target, exist_ok=True)
    for pin in sorted(places, key=lambda pin: normal_name(pin.name)):
        stored.link_all(places[pin], target)
    with replacing(os.path.join(target, _KEYS)) as stream:
        stream.write(json.dumps({keys[pin]: [pin.name, pin.version] for pin in wanted}).encode())
    _check(wanted, target, python)
    files = stored.files(target, [(pin.name, pin.version) for pin in wanted]) if there else {}
    kept, new = ({path for pin in wanted if (pin in places) is side for path in files.get((pin.name, pin.version), ())}
                 for side in (False, True))
    return {path[len(target) + 1:] for path in kept - new}


def installed_in(top: str) -> List[str]:
    """The prefixes at or below a folder that `install` has finished."""
    return [folder for folder, _, files in os.walk(top) if _KEYS in files]


def _kept(target: str, keys: Set[str]) -> Set[str]:
    """Wanted packages that a finished installation has left in a prefix; its other packages are removed from it."""
    path = os.path.join(target, _KEYS)
    try:
        found = read_json(path)
        os.unlink(path)
        unwanted, wanted = ([found[key] for key in found if (key in keys) is side] for side in (False, True))
        stored.drop(target, unwanted, wanted)
    except FileNotFoundError:
        return set()
    except (LumiHooksError, OSError, ValueError):  # damaged: all is made anew
        tree.remove(target)
        return set()
    return keys & set(found)


def site_packages(target: str, python: str) -> str:
    """The folder of a prefix in which this Python's packages are."""
    return os.path.join(target, 'lib', f'python{".".join(_tag(python).split("-")[1].split(".")[:2])}', 'site-packages')


def _lines(item: str) -> List[str]:
    name = os.path.basename(item)
    is_file = name.endswith(('.txt', '.toml', '.in')) and '://' not in item
    return asked.of_file(item) if is_file else [asked.requirement(item)]


def _resolved(wanted: Sequence[str], python: str, there: Mapping[str, str],
              refused: Mapping[str, Refused]) -> List[Pin]:
    """What pip would install, taking sources instead of refused wheels."""
    with tempfile.TemporaryDirectory(prefix='lumi-hooks-carried-') as folder:
        pip.pretend(folder, there)
        try:
            exact = {**there, **{name: one.version for name, one in refused.items()}}
            entries = pip.report(python, wanted, *_no_binary(refused), paths=[folder],
                                 constraints=[f'{name}=={exact[name]}' for name in sorted(exact)])
        except pip.PipError as err:
            if refused and any(normal_name(word) in refused for word in re.findall(r'[A-Za-z0-9._-]+', str(err))):
                raise LumiHooksError(_no_source(refused)) from err
            raise
    return [_pin(entry) for entry in entries]


def _no_source(refused: Mapping[str, Refused]) -> str:
    return '; '.join(f'{name} {one.version} cannot be used: {one.why}, and it has no source to be built with Cray MPICH'
                     for name, one in refused.items())


def _pin(entry: Mapping) -> Pin:
    """An entry of pip's report."""
    about, place = entry['metadata'], entry['download_info']
    url = urllib.parse.urlsplit(place['url'])
    name, version = str(about['name']), str(about['version'])
    archive = place.get('archive_info') or {}
    digest = (archive.get('hashes') or {}).get('sha256') or str(archive.get('hash', '')).partition('sha256=')[2]
    filename = os.path.basename(urllib.parse.unquote(url.path))
    if not re.fullmatch('[0-9a-f]{64}', digest) or not filename or not _VERSION.match(version):
        raise LumiHooksError(f'{quote.line(name)} cannot be locked: its index gives no SHA-256 of it')
    # an address may hold somebody's password
    address = urllib.parse.urlunsplit((url.scheme, url.netloc.rpartition('@')[2], url.path, '', ''))
    return Pin(name, version, filename, address, digest, not filename.endswith('.whl'))


def _verdicts(pins: Sequence[Pin], python: str, cache: str) -> Dict[Tuple[str, str], foreign.Verdict]:
    """What the wheels for this machine have to do with MPI, by normal name and version."""
    looked = [pin for pin in pins if not pin.source and not pin.filename.endswith(_PURE)]
    fetch(looked, cache, python)
    found = {}
    for pin in looked:
        try:
            found[normal_name(pin.name), pin.version] = foreign.judge(os.path.join(cache, pin.filename))
        except (OSError, zipfile.BadZipFile) as err:
            raise LumiHooksError(f'{quote.line(pin.filename)} cannot be read: {quote.line(err)}') from err
    return found


def _with_builders(pins: Sequence[Pin], python: str, cache: str) -> List[Pin]:
    """Pins, and those that their sources are built with."""
    sources = [pin for pin in pins if pin.source]
    fetch(sources, cache, python)
    found: Dict[str, Pin] = {}
    for source in sources:
        found.update((pin.sha256, pin) for pin in _builders(source, python, cache))
    own: Set[str] = {pin.sha256 for pin in pins}
    return [*pins, *(pin for pin in found.values() if pin.sha256 not in own)]


def _builders(source: Pin, python: str, cache: str) -> List[Pin]:
    """What a source is built with: what it says, and what its back end asks for beyond that, which is tried."""
    needs = list(asked.built_with(os.path.join(cache, source.filename)))
    for _ in range(_ROUNDS):
        pins = [_pin(entry)._replace(build=True)
                for entry in pip.report(python, needs, '--ignore-installed', '--only-binary', ':all:')] if needs else []
        fetch(pins, cache, python)
        with tempfile.TemporaryDirectory(prefix='lumi-hooks-builders-') as folder:
            for pin in (source, *pins):
                os.symlink(os.path.join(os.path.abspath(cache), pin.filename), os.path.join(folder, pin.filename))
            try:
                pip.run(python, 'download', '--no-index', '--find-links', folder, '--no-deps', '--no-cache-dir', '-d',
                        os.path.join(folder, 'tried'), *_no_binary([source.name]), f'{source.name}=={source.version}')
                return pins
            except pip.PipError as err:
                if not err.missing or err.missing in needs:
                    raise LumiHooksError(f'{quote.line(source.filename)} cannot be built: {err}') from err
                needs.append(asked.requirement(err.missing, quote.line(source.filename)))
    raise LumiHooksError(f'{quote.line(source.filename)} asks for ever more to be built with')


def _is_there(pin: Pin, folder: str) -> bool:
    """Is the archive in a folder, with its hash?"""
    if os.path.basename(pin.filename) != pin.filename or pin.filename.startswith('.'):
        raise LumiHooksError(f'{quote.line(pin.filename)!r} is no name of an archive')
    digest = hashlib.sha256()
    try:
        with open(os.path.join(folder, pin.filename), 'rb') as stream:
            for block in iter(lambda: stream.read(1 << 20), b''):
                digest.update(block)
    except FileNotFoundError:
        return False
    return digest.hexdigest() == pin.sha256


def _no_binary(names: Iterable[str]) -> List[str]:
    """pip's options to take sources of some packages."""
    return [option for name in sorted(names) for option in ('--no-binary', name)]


def _lock(pins: Iterable[Pin]) -> str:
    return pip.locked([(pin.name, pin.version, pin.sha256) for pin in pins])


def _tag(python: str) -> str:
    """Which Python it is: its prefix is written into scripts, and its version into the names of folders."""
    code = 'import sys; print(sys.prefix); print(sys.implementation.name, "%d.%d.%d" % sys.version_info[:3], sep="-")'
    try:
        told = subprocess.run([python, '-I', '-S', '-c', code], stdout=subprocess.PIPE, text=True, check=True, cwd='/')
    except (OSError, subprocess.CalledProcessError) as err:
        raise LumiHooksError(f'{quote.line(python)} cannot be run: {err}') from err
    prefix, name = told.stdout.split('\n')[:2]
    return f'{name}-{hashlib.sha256(prefix.encode()).hexdigest()[:8]}'


def _key(pin: Pin, tag: str) -> str:
    """Name of a package in the store: what is built here depends on the modules that are loaded, too."""
    surroundings = os.environ.get('LOADEDMODULES', '') if pin.source else ''
    digest = hashlib.sha256('\n'.join((pin.sha256, tag, surroundings)).encode()).hexdigest()
    return f'{normal_name(pin.name)}-{pin.version}-{digest[:20]}'


def _install_into(prefix: str, pins: Sequence[Pin], python: str, work: str) -> None:
    """Let pip install into a new prefix, from the archives in a folder for its work."""
    lock = os.path.join(work, 'requirements.txt')
    with replacing(lock) as stream:
        stream.write(_lock(pins).encode())
    pip.run(python, 'install', '--no-index', '--find-links', work, '--require-hashes', '--no-deps',
            '--ignore-installed', '--no-warn-script-location', '--no-cache-dir', '--prefix', prefix, '-r', lock,
            variables={'TMPDIR': work, **pip.compilers(os.environ, shutil.which('cc') is not None)})


def _check(pins: Sequence[Pin], target: str, python: str) -> None:
    """
    Does everything go together? What was wrong before, between carried packages, is none of this.

    :raises LumiHooksError: it does not
    """
    names = {normal_name(pin.name) for pin in pins}
    paths = [site_packages(target, python), *filter(None, os.environ.get('PYTHONPATH', '').split(os.pathsep))]
    wrong = [line for line in pip.broken(python, paths)
             if {normal_name(word) for word in re.findall(r'[A-Za-z0-9][A-Za-z0-9._-]*', line)} & names]
    if wrong:
        raise LumiHooksError(f'the packages do not go together: {quote.line("; ".join(wrong))}')
