# SPDX-License-Identifier: GPL-2.0-only
"""Bring every file a list of recipes wants into the sourcepath layout, verified, each one once."""
import hashlib
import os
import sys
import tempfile

import pypi
import wanted
from debian import Debian


def say(line):
    """Show a line of progress (standard error: standard output belongs to --json)."""
    print(line, file=sys.stderr, flush=True)


def sha256_of(path):
    """Return the sha256 of a file as lower-case hex."""
    digest = hashlib.sha256()
    with open(path, 'rb') as handle:
        for block in iter(lambda: handle.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


def _fetch(entry, target, debian):
    """Fetch a file into `target`'s folder, verify it, rename it into place. Return its origin.

    Raises LookupError with the reasons of every place that was tried.
    """
    os.makedirs(os.path.dirname(target), exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=os.path.dirname(target), prefix='.staging-')
    os.close(handle)
    tries = [lambda sha=sha: debian.fetch(sha, scratch) for sha in entry['sha256']]
    if entry['pypi']:
        # PyPI first where the recipe itself points there: no Debian index is needed for it
        tries.insert(0, lambda: pypi.fetch(entry['pypi'], entry['version'], entry['file'], scratch,
                                           entry['sha256']))
    reasons = []
    try:
        for attempt in tries:
            try:
                origin = attempt()
            except (LookupError, OSError) as err:
                reasons.append(str(err))
                continue
            found = sha256_of(scratch)
            if found in entry['sha256']:
                os.chmod(scratch, 0o644)
                os.replace(scratch, target)
                return origin
            reasons.append('%s has sha256 %s, not the recipe\'s' % (origin, found))
    finally:
        if os.path.exists(scratch):
            os.unlink(scratch)
    raise LookupError('; '.join(dict.fromkeys(reasons)))


def _stage_file(entry, into, debian):
    """Return (state, note) for one file: present, fetched or failed."""
    target = os.path.join(into, entry['path'])
    if not entry['sha256']:
        return 'failed', 'the recipe gives no sha256 for it: fetch it by hand'
    if os.path.isfile(target) and sha256_of(target) in entry['sha256']:
        return 'present', ''
    try:
        return 'fetched', _fetch(entry, target, debian)
    except LookupError as err:
        return 'failed', str(err)


def stage_recipes(names, into, cache, update=False, stop=False):
    """Stage the files of these recipes. Return one dict a file: recipe, path, sha256, state, note.

    names: recipes (files, or names that EasyBuild finds)
    into: folder in EasyBuild's sourcepath layout
    cache: folder of the Debian indices
    update: refresh the indices first
    stop: end at the first file that can't be had; what PyPI may have comes after what it has not
    """
    folders = wanted.set_up()
    debian = Debian(cache, say)
    if update:
        debian.prepare(refresh=True)
    results, entries = [], []
    for name in names:
        try:
            found = wanted.files_of(wanted.find_recipe(name, folders))
        except ValueError as err:
            found = [{'path': None, 'sha256': [], 'pypi': None, 'note': str(err)}]
        if not found:
            say('%s: nothing to stage: the recipe has no sources' % os.path.basename(name))
        entries += [(name, entry) for entry in found]
    if stop:
        entries.sort(key=lambda item: bool(item[1]['pypi']))
    for number, (name, entry) in enumerate(entries, 1):
        state, note = _stage_file(entry, into, debian) if entry['path'] else ('failed', entry['note'])
        word = 'FAILED' if state == 'failed' else state
        say('[%d/%d] %s: %-8s %s%s' % (number, len(entries), os.path.basename(name), word, entry['path'] or 'recipe',
                                       note and ': ' + note))
        results.append({'recipe': name, 'path': entry['path'], 'sha256': entry['sha256'], 'state': state,
                        'note': note})
        if stop and state == 'failed':
            break
    return results


def report(results):
    """Say how it went; return the exit code."""
    failed = [result for result in results if result['state'] == 'failed']
    say('%d files: %d fetched, %d present, %d failed' % (
        len(results), sum(result['state'] == 'fetched' for result in results),
        sum(result['state'] == 'present' for result in results), len(failed)))
    for result in failed:
        say('  %s: %s: %s' % (result['recipe'], result['path'] or 'recipe', result['note']))
    return 1 if failed else 0
