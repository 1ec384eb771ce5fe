# SPDX-License-Identifier: GPL-2.0-only
"""A survey as an HTML page: tables and one chart, everything in one file."""
from typing import Any, Dict, Iterable, List, Mapping, Sequence

from ..quote import html

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a202c; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; color: #4a5568; padding: .3rem 0; }
th, td { text-align: left; padding: .3rem .7rem; border-bottom: 1px solid #e2e8f0; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.facts { display: flex; flex-wrap: wrap; gap: 1rem; padding: 0; list-style: none; }
.facts li { border: 1px solid #cbd5e0; border-radius: .5rem; padding: .6rem 1.1rem; }
.facts b { display: block; font-size: 1.5rem; }
.note { background: #fffaf0; border-left: 4px solid #dd6b20; padding: .5rem 1rem; }
svg text { font: 12px system-ui, sans-serif; fill: #1a202c; }
details { margin: .5rem 0; }
@media (prefers-color-scheme: dark) {
  body { background: #171923; color: #e2e8f0; } th, td { border-color: #2d3748; } caption { color: #a0aec0; }
  svg text { fill: #e2e8f0; } .note { background: #2d2418; }
}
"""
_COLOURS = (('planned', '#2f855a'), ('refused', '#c05621'), ('failed', '#c53030'))


def page(found: Mapping[str, Any], refused: Sequence[Mapping[str, str]] = ()) -> str:
    """
    The page of a survey.

    :param found: the survey as plain data (`Survey.as_json`)
    :param refused: recipe, code and reason of each refused recipe, for the list at the end
    """
    where = f'{found["toolchain"]}, release {found["release"]}, partition {found["partition"]}'
    title = f'Upstream recipes on {where}'
    share = found['goal']['share']
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f'<title>{html(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{html(title)}</h1>\n',
        f'<p>{html(found["date"])}; {html(_versions(found["versions"]))}; made in {found["seconds"]} s.</p>\n',
        f'<p>True of the recipes of {html(found["collection"]["name"])}: {found["collection"]["recipes"]:,} of them.'
        '</p>\n']
    if found['interrupted']:
        parts.append(f'<p class="note">Interrupted: {found["recipes"]} of {found["of"]} recipes were looked at.</p>\n')
    parts.append('<ul class="facts">\n')
    facts = [('recipes', found['recipes']), ('planned', found['planned']), ('of these unchanged (SYSTEM)',
             found['unchanged']), ('refused', sum(found['refused'].values())), ('failed', len(found['failed']))]
    if share is not None:
        facts.append((f'planned of the {found["goal"]["recipes"]} on {", ".join(found["goal"]["toolchains"])} that '
                      'need no CUDA', f'{share:.1%}'))
    parts += [f'<li><b>{html(value)}</b>{html(name)}</li>\n' for name, value in facts]
    parts.append('</ul>\n')
    parts += ['<h2>By generation of upstream\'s toolchains</h2>\n', chart(found['by_generation']),
              _groups('generation', found['by_generation'])]
    parts += ['<h2>By toolchain</h2>\n', _groups('toolchain', found['by_toolchain'])]
    parts += ['<h2>Why recipes are refused</h2>\n',
              _table(('reason', 'what it means', 'recipes'),
                     [(code, found['reasons'].get(code, ''), number) for code, number in found['refused'].items()],
                     'Each recipe counts once, under its most telling reason.')]
    parts += ['<h2>What blocks most recipes</h2>\n',
              _table(('reason', 'what', 'an example', 'recipes', 'alone'),
                     [(item['code'], item['what'], item['example'], item['recipes'], item['alone'])
                      for item in found['blockers']],
                     'A recipe counts for everything that blocks it; "alone" counts those that nothing else blocks.')]
    if found['failed']:
        parts += ['<h2>Failed</h2>\n', _table(('recipe', 'error'),
                                              [(item['recipe'], item['error']) for item in found['failed']])]
    parts += _listing(refused)
    parts.append('</body>\n</html>\n')
    return ''.join(parts)


def chart(groups: Mapping[str, Mapping[str, int]]) -> str:
    """Bars of planned, refused and failed recipes, one a group, as inline SVG."""
    names = sorted(groups)
    if not names:
        return ''
    most, width, left, line = max(group['recipes'] for group in groups.values()), 640, 110, 24
    rows: List[str] = []
    for number, name in enumerate(names):
        top, start = number * line, float(left)
        rows.append(f'<text x="{left - 8}" y="{top + 16}" text-anchor="end">{html(name)}</text>')
        for key, colour in _COLOURS:
            value = groups[name][key]
            size = width * value / most
            if value:
                rows.append(f'<rect x="{start:.1f}" y="{top + 3}" width="{size:.1f}" height="{line - 6}" '
                            f'fill="{colour}"><title>{html(name)}: {value} {key}</title></rect>')
            start += size
        rows.append(f'<text x="{start + 6:.1f}" y="{top + 16}">{groups[name]["planned"]} of '
                    f'{groups[name]["recipes"]}</text>')
    foot, legend = len(names) * line + 14, []
    for place, (key, colour) in enumerate(_COLOURS):
        x = left + place * 110
        legend.append(f'<rect x="{x}" y="{foot}" width="12" height="12" fill="{colour}"/>'
                      f'<text x="{x + 18}" y="{foot + 11}">{key}</text>')
    return f'<svg viewBox="0 0 {left + width + 130} {foot + 20}" role="img" width="100%">\n' \
           '<title>planned, refused and failed recipes by generation</title>\n' + '\n'.join(rows + legend) + \
           '\n</svg>\n'


def _groups(title: str, groups: Mapping[str, Mapping[str, int]]) -> str:
    rows = [(name, group['recipes'], group['planned'], group['refused'], group['failed'],
             f'{group["planned"] / group["recipes"]:.1%}') for name, group in groups.items()]
    return _table((title, 'recipes', 'planned', 'refused', 'failed', 'share'), rows)


def _listing(refused: Sequence[Mapping[str, str]]) -> Iterable[str]:
    """Every refused recipe with its reason, folded by code."""
    by_code: Dict[str, List[Mapping[str, str]]] = {}
    for item in refused:
        by_code.setdefault(item['code'], []).append(item)
    if by_code:
        yield '<h2>All refused recipes</h2>\n'
    for code, items in sorted(by_code.items(), key=lambda pair: -len(pair[1])):
        yield f'<details><summary>{html(code)} ({len(items)})</summary>\n'
        yield _table(('recipe', 'reason'), [(item['recipe'], item['reason']) for item in items])
        yield '</details>\n'


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = '') -> str:
    rows = list(rows)
    numbers = {place for place in range(len(head)) if rows and all(_is_number(row[place]) for row in rows)}
    kind = [' class="n"' if place in numbers else '' for place in range(len(head))]
    lines = ['<table>\n', f'<caption>{html(caption)}</caption>\n' if caption else '', '<thead><tr>']
    lines += [f'<th{kind[place]}>{html(name)}</th>' for place, name in enumerate(head)]
    lines.append('</tr></thead>\n<tbody>\n')
    for row in rows:
        cells = ''.join(f'<td{kind[place]}>{html(value)}</td>' for place, value in enumerate(row))
        lines.append(f'<tr>{cells}</tr>\n')
    lines.append('</tbody>\n</table>\n')
    return ''.join(lines)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) or str(value).endswith('%')


def _versions(versions: Mapping[str, str]) -> str:
    return ', '.join(f'{name} {version}' for name, version in versions.items())
