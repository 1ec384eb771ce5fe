# SPDX-License-Identifier: GPL-2.0-only
"""
Takes secrets out of text that is sent to somebody: tokens, keys, passwords, addresses with credentials. Names of
users, projects, folders and nodes stay, as support needs them. It takes out too much rather than too little.
"""
import re
from typing import Callable, Iterable, Mapping, Tuple

from .. import sites

REMOVED = '[removed]'

# what moves the cursor or is not seen: it would part a word that is looked for
_HIDDEN = re.compile('\x1b\\[[0-9;?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|'
                     '[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]')
# a name that says that its value is secret; bounded, so that no long line takes long
_SECRET = (r'[\w.\-]{0,60}(?:passw(?:or)?d|passphrase|passwd|\bpass\b|[_\-]pass\b|pwd\b|secret|token|credential|'
           r'api[_\-]?key|access[_\-]?key|private[_\-]?key|secret[_\-]?key|auth[_\-]?key|encryption[_\-]?key|[_\-]key\b|'
           r'authorization|cookie|session[_\-]?id|signature|[_\-]sig\b|[_\-]pat\b|[_\-]auth\b)[\w.\-]{0,60}')
_VALUE = r'(?:"(?:[^"\\\n]|\\.){0,4000}"?|\'(?:[^\'\\\n]|\\.){0,4000}\'?|[^\s"\',;&)}\]]+)'
_KEY_BEGIN = r'-----BEGIN (?:[A-Z0-9 ]{0,40} )?PRIVATE KEY(?: BLOCK)?-----'
_KEY_END = r'-----END (?:[A-Z0-9 ]{0,40} )?PRIVATE KEY(?: BLOCK)?-----'

_RULES: Tuple[Tuple['re.Pattern[str]', str], ...] = tuple((re.compile(pattern, re.IGNORECASE), by) for pattern, by in (
    # https://user:password@host, https://token@host
    (r'\b([a-z][a-z0-9+.\-]{1,20}://)[^\s/@"\'<>]{1,2000}@', rf'\1{REMOVED}@'),
    # Authorization: Bearer x, Cookie: a=b; c=d, Private-Token: x
    (r'\b((?:proxy-)?authorization|(?:set-)?cookie|[\w\-]{0,40}-token|x-api-key)(\s*:\s*)[^\r\n"\']+',
     rf'\1\2{REMOVED}'),
    (r'\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=\-]{8,}', rf'\1\2{REMOVED}'),
    # NAME=value, "name": "value", name => value, ?name=value
    (rf'(?<![\w.\-])({_SECRET})(["\']?\s*(?::=|=>|=|:)\s*){_VALUE}', rf'\1\2{REMOVED}'),
    # --token value, .netrc's "login x password y"
    (rf'(--{_SECRET})(\s+)(?!-){_VALUE}', rf'\1\2{REMOVED}'),
    (r'(\blogin\s+\S+\s+password\s+)\S+', rf'\1{REMOVED}'),
    (r'(\b(?:curl|wget)\b[^\n]{0,400}?\s(?:-u|--user)[ =]?)[^\s:]+:\S+', rf'\1{REMOVED}'),
    # tokens that are known by their form
    (r'\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}|glpat-[\w\-]{16,}|hf_[A-Za-z0-9]{16,}|xox[abprs]-[\w\-]{10,}|'
     r'pypi-[\w\-]{16,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w\-]{30,}|sk-[\w\-]{20,}|eyJ[\w\-]{8,}\.[\w\-]{8,}\.[\w\-]*|'
     r'MUNGE:[A-Za-z0-9+/=]{16,}:?)', REMOVED),
))
_KEY = re.compile(rf'{_KEY_BEGIN}.*?(?:{_KEY_END}|\Z)', re.DOTALL)
# the end of a log may begin within a key
_KEY_REST = re.compile(rf'\A(?:[^\n]*\n)*?{_KEY_END}')


def scrub(text: str) -> str:
    """The text without secrets; the more is hidden in it by control characters, the less of those is left."""
    text = _HIDDEN.sub('', text)
    text = _KEY.sub(REMOVED, text)
    if re.search(_KEY_END, text):
        text = _KEY_REST.sub(REMOVED, text, count=1)
    for pattern, by in _RULES:
        text = pattern.sub(by, text)
    return text


# of the environment this is kept, and nothing else
KEPT = (*(name for key, name in sites.site()['variables'].items() if key != 'full_name'),
        'EBU_WORKDIR', 'EBVERSIONEASYBUILD', 'EASYBUILD_PREFIX',
        'EASYBUILD_INSTALLPATH_SOFTWARE', 'EASYBUILD_INSTALLPATH_MODULES', 'EASYBUILD_BUILDPATH', 'EASYBUILD_TMPDIR',
        'EASYBUILD_SOURCEPATH', 'EASYBUILD_REPOSITORYPATH', 'EASYBUILD_ROBOT_PATHS', 'EASYBUILD_HOOKS',
        'EASYBUILD_OPTARCH', 'EASYBUILD_PARALLEL', 'LUMI_HOOKS_RELEASE', 'LUMI_HOOKS_PARTITION', 'LUMI_HOOKS_TOOLCHAIN',
        'LUMI_HOOKS_MODE', 'LUMI_HOOKS_UPSTREAM', 'LUMI_HOOKS_PREFIXES', 'LUMI_HOOKS_OVERRIDES', 'LUMI_HOOKS_ALLOW',
        'LUMI_HOOKS_CHAIN', 'LUMI_HOOKS_DERIVE', 'LUMI_HOOKS_GPU', 'LUMI_HOOKS_DISABLE', 'LUMI_HOOKS_VERIFY',
        'LOADEDMODULES', 'MODULEPATH', 'PATH', 'LD_LIBRARY_PATH', 'CRAY_LD_LIBRARY_PATH', 'PYTHONPATH', 'CONDA_PREFIX',
        'VIRTUAL_ENV', 'CPATH', 'LIBRARY_PATH', 'CFLAGS', 'CXXFLAGS', 'FFLAGS', 'LDFLAGS', 'CC', 'CXX', 'FC', 'PE_ENV',
        'CRAY_CPU_TARGET', 'CRAY_ACCEL_TARGET', 'CRAY_MPICH_VERSION', 'MPICH_GPU_SUPPORT_ENABLED', 'SLURM_JOB_ID',
        'SLURM_JOB_PARTITION', 'SLURM_JOB_ACCOUNT', 'TMPDIR', 'LANG', 'LC_ALL')


def kept(env: Mapping[str, str], names: Iterable[str] = KEPT, clean: Callable[[str], str] = scrub) -> str:
    """The part of the environment that helps, a line a variable."""
    return '\n'.join(f'{name}={clean(env[name])}' for name in names if name in env)
