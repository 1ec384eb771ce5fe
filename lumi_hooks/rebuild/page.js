
'use strict';
// what others wrote is only ever set as textContent
const data = JSON.parse(document.getElementById('data').textContent);
const by = id => document.getElementById(id);
const make = (name, text, kind) => {
  const found = document.createElement(name);
  if (text !== undefined) found.textContent = text;
  if (kind) found.className = kind;
  return found;
};
const time = s => s >= 3600 ? `${Math.floor(s / 3600)} h ${Math.round(s % 3600 / 60)} min`
  : s >= 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s} s`;
const picked = new Set();

const section = (into, title, text, mark) => {
  if (!text) return;
  into.append(make('h3', title));
  const block = make('pre');
  if (mark) {
    const kinds = {'+': 'add', '-': 'del', '#': 'why'};
    for (const line of text.split('\n')) block.append(make('span', line + '\n', kinds[line[0]]));
  } else block.textContent = text;
  into.append(block);
};

const detail = (row, cell) => {
  const place = make('td');
  place.colSpan = data.targets.length + 1;
  place.append(make('strong', cell.module), ` ${cell.state}${cell.reason ? ': ' + cell.reason : ''}`);
  if (cell.change) place.append(make('p', `because of ${cell.change}`));
  if (cell.needs) place.append(make('p', `needs ${cell.needs.join(', ')}`));
  for (const [job, host, state, steps] of cell.jobs || [])
    place.append(make('p', `job ${job}${host ? ' on ' + host : ''}: ${state}${steps ? '; ' + steps : ''}`));
  section(place, 'First error', cell.error);
  for (const text of [cell.means, cell.advice]) if (text) place.append(make('p', text));
  section(place, 'Changes to the recipe', cell.difference, true);
  section(place, 'End of the log', cell.log);
  const found = make('tr', undefined, 'detail');
  found.append(place);
  row.after(found);
  return found;
};

const toggle = (row, cell, button) => {
  const open = row.nextSibling && row.nextSibling.className === 'detail' ? row.nextSibling : null;
  for (const other of row.querySelectorAll('button')) other.setAttribute('aria-pressed', 'false');
  if (open) open.remove();
  if (open && open.cell === cell) return;
  detail(row, cell).cell = cell;
  button.setAttribute('aria-pressed', 'true');
};

by('head').append(make('th', 'recipe'), ...data.targets.map(name => make('th', name)));
const rows = data.rows.map(([name, cells]) => {
  const row = make('tr');
  const places = data.targets.map(() => make('td'));
  for (const [target, cell] of cells) {
    const button = make('button', cell.state + (cell.seconds ? ' ' + time(cell.seconds) : ''), cell.state);
    button.title = cell.reason || cell.module;
    button.addEventListener('click', () => toggle(row, cell, button));
    places[target].append(button);
  }
  row.append(make('td', name), ...places);
  return {row, cells, text: [name, ...cells.map(([, c]) => `${c.module} ${c.reason || ''} ${c.error || ''}`)]
    .join(' ').toLowerCase()};
});
by('rows').append(...rows.map(one => one.row));

const counts = {};
for (const {cells} of rows) for (const [, {state}] of cells) counts[state] = (counts[state] || 0) + 1;
const filter = () => {
  const words = by('search').value.toLowerCase().split(/\s+/).filter(Boolean);
  const only = by('target').value;
  let shown = 0;
  for (const {row, cells, text} of rows) {
    const fits = words.every(word => text.includes(word)) && cells.some(([target, {state}]) =>
      (only === '' || target === Number(only)) && (!picked.size || picked.has(state)));
    row.hidden = !fits;
    if (row.nextSibling && row.nextSibling.className === 'detail') row.nextSibling.hidden = !fits;
    shown += fits;
  }
  for (const line of document.querySelectorAll('thead tr, tbody tr:not(.detail)'))
    data.targets.forEach((_, place) => { line.children[place + 1].hidden = only !== '' && place !== Number(only); });
  by('shown').value = `${shown} of ${rows.length} recipes`;
};
for (const state of data.states.filter(name => counts[name])) {
  const button = make('button', `${counts[state]} ${state}`, state);
  button.type = 'button';
  button.setAttribute('aria-pressed', 'false');
  button.addEventListener('click', () => {
    if (!picked.delete(state)) picked.add(state);
    button.setAttribute('aria-pressed', String(picked.has(state)));
    filter();
  });
  by('states').append(button);
}
by('target').append(new Option('all targets', ''), ...data.targets.map((name, place) => new Option(name, place)));
by('target').addEventListener('change', filter);
by('search').addEventListener('input', filter);
by('tools').addEventListener('submit', event => event.preventDefault());
filter();
