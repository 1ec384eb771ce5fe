# SPDX-License-Identifier: GPL-2.0-only
"""The words of a record: a headline, a module's help, changes.md; and how it and its changes are written as JSON."""
import json
import os
import re
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from .. import quote
from ..change import Change
from ..dependency import Dependency
from ..prefix import name_of
from ..releases import load_machine
from . import CHANGES


def headline(record: Mapping[str, Any]) -> str:
    """One sentence: what this is and where it comes from."""
    source, changes = record.get('source'), len(record['changes'])
    by = f'lumi-hooks {record["library"]["version"]}'
    if not source:
        return f'{record["module"]}, installed by {by} from {record["recipe"]["file"]}, which was not changed'
    count = f'{changes} change{"" if changes == 1 else "s"}' if changes or not record['rules'] else \
        f'changes by the rules {", ".join(record["rules"])}'
    return f'{record["module"]}, installed by {by} from {source["file"]} with {count}'


def where(record: Mapping[str, Any]) -> str:
    """Which prefix it was installed into, by name and path: the same for everybody, whoever's prefix lies on top."""
    prefix = record['site']['prefix']
    name = name_of(prefix if record['site']['mode'] == 'user' else None, ())
    return name if prefix in name else f'{name}, {prefix}'


def whose(record: Mapping[str, Any]) -> str:
    """Whose derived software is, and whom to ask (site data); empty for what was not derived."""
    said, source = load_machine().get('support'), record.get('source')
    return f'Derived by lumi-hooks from {source["file"]}; {said["text"]} ({said["contact"]})' if source and said else ''


def help_text(record: Mapping[str, Any]) -> str:
    """The short form, for the module's help. The same for the same record, whenever it is made."""
    source = record.get('source')
    lines = [headline(record) + '.', f'Installed into {where(record)}.', *filter(None, [whose(record)])]
    if source:
        lines.append(f'Source recipe: sha256 {source["sha256"]}.')
        rules = ', '.join(record['rules'])
        lines.append(f'Rules: {rules}.' if rules else 'No rule changed anything.')
    lines.append(f'What was changed and why: {os.path.join(record["installation"], CHANGES)}')
    lines.append(f'                          or lumi-eb explain {record["module"]}')
    return '\n'.join(lines)


def with_help(module: str, text: str) -> str:
    """A module file's text, in Lua or Tcl, with a section at the end of its help; unchanged where it has none."""
    title = 'lumi-hooks'
    section = f'\n\n{title}\n{"=" * len(title)}\n{text}\n'
    match = re.search(r'^help\(\[(=*)\[', module, re.MULTILINE)
    if match:
        end = module.find(f']{match[1]}]', match.end())
        return module if end < 0 else module[:end].rstrip('\n') + quote.lua(section) + module[end:]
    match = re.search(r'^\s*puts stderr \{', module, re.MULTILINE)
    if match:
        closing = re.compile(r'^\s*\}\s*$', re.MULTILINE).search(module, match.end())
        return module[:closing.start()].rstrip('\n') + quote.tcl(section) + module[closing.start():] if closing \
            else module
    return module


def changes_markdown(record: Mapping[str, Any], described: Sequence[Tuple[str, str, str, Optional[str]]]) -> str:
    """
    The readable form of a record.

    :param described: (rule, what became what, reason, link) of each change
    """
    text = quote.markdown
    site, source, size = record['site'], record.get('source'), record['size']
    lines = [f'# {text(record["module"])}', '', text(headline(record)) + '.', '',
             f'* Installed into {text(where(record))}',
             text(f'* Site: release {site["release"]}, partition {site["partition"]}, {site["toolchain"]}, mode '
                  f'{site["mode"]}'),
             text(f'* EasyBuild {record["easybuild"]["version"]}, easyblock {record["easybuild"]["easyblock"]}')]
    if source:
        lines.append(text(f'* Source recipe {source["file"]}, of {source["origin"]}, sha256 {source["sha256"]}'))
    lines.append(text(f'* Installed recipe {record["recipe"]["file"]}, sha256 {record["recipe"]["sha256"]}'))
    lines.append(f'* {size["bytes"]:,} bytes in {size["inodes"]:,} files and folders')
    network = record.get('network')
    if network:
        by = f' (by {text(network["by"])})' if isinstance(network.get('by'), str) else ''
        lines.append(f'* Built without a network: from its sources alone{by}' if network['cut_off'] else
                     text(f'* Built with the network, so perhaps from more than its sources: {network["reason"]}'))
    if record['kept_out']:
        lines.append(text(f'* Kept out of the build, as it does not use them: {", ".join(record["kept_out"])}'))
    lines += ['', '## What was changed, and why', '']
    if not described:
        lines.append('Nothing.' if not record['rules'] else
                     text(f'By the rules {", ".join(record["rules"])}; the recipe\'s own header says what and why.'))
    for rule, what, reason, link in described:
        lines.append(f'* {text(what)}  \n  {text(reason)} (rule `{text(rule)}`{text(", " + link) if link else ""})')
    for title, key in (('Sources', 'sources'), ('Patches', 'patches')):
        if record.get(key):
            lines += ['', f'## {title}', '']
            lines += [f'* {text(item["file"])}' + (f'  \n  sha256 {text(item["sha256"])}' if item.get('sha256') else '')
                      for item in record[key]]
    lines += ['', '## What it needs', '']
    lines += [text(f'* {item["module"]}{", only to be built" if item["build_only"] else ""}')
              for item in record['dependencies']] or ['* nothing but the toolchain']
    return '\n'.join(lines) + '\n'


def as_text(record: Mapping[str, Any]) -> str:
    """A record as it is written to its file."""
    return json.dumps(record, indent=1, ensure_ascii=False, default=str) + '\n'


def change_json(change: Change) -> Dict[str, Any]:
    """A change as plain data; dependencies in a recipe's own notation."""
    def plain(value: Any) -> Any:
        if isinstance(value, Dependency):
            return list(value.raw())
        if isinstance(value, tuple) and value and all(isinstance(item, Dependency) for item in value):
            return [list(item.raw()) for item in value]
        return value
    return {'parameter': change.parameter, 'before': plain(change.before), 'after': plain(change.after),
            'rule': change.rule, 'reason': change.reason, 'link': change.link}
