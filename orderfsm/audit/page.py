"""An audit's report as one HTML page: its histories as flow over the drawn lifecycle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm import drawing
from orderfsm.extras import needs
from orderfsm.questions import ORDER_LIFECYCLE

from .report import moment

with needs("audit"):
    from jinja2 import Environment

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle

    from .report import Report

SHOWN = 500
"""How many violations the page lists."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Audit: {{ report.verdict }}</title>
<style>
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c2733; --soft: #5a6775; --line: #d5dce4; --flow: #0b57b0;
  --violates: #b3261e; --undecided: #8a4500; --conforms: #0a7a3d; }
@media (prefers-color-scheme: dark) { :root { --paper: #12171d; --ink: #e6ebf0; --soft: #a3afbb; --line: #323d49;
  --flow: #7db7ff; --violates: #ff8a80; --undecided: #f0a860; --conforms: #55d88c; } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 Arial, Helvetica, "Liberation Sans", sans-serif;
  margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.conforms { color: var(--conforms); } .violates { color: var(--violates); } .undecided { color: var(--undecided); }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1rem; }
dt { color: var(--soft); } dd { font-size: 1.25rem; margin: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
.number { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
.note { color: var(--soft); }
.bar { background: var(--flow); height: .6rem; min-width: 1px; }
</style>
</head>
<body>
<h1>Audit of {{ number(report.orders) }} orders: <span class="{{ report.verdict }}">{{ report.verdict }}</span></h1>
<p class="note">{% if report.first is not none %}Lines from {{ moment(report.first) }} to {{ moment(report.last) }}, {% endif -%}
held against the table of edition {{ edition }}.
{%- if report.new.goes_on %} Since the last audit: {{ number(report.new.violates) }} new violations, {{ number(report.new.undecided) }} orders newly
undecided; {{ number(report.new.events) }} lines about orders, {{ number(report.new.other) }} others, {{ number(report.new.bad_lines) }} bad ones.{% endif %}</p>
<dl>
{% for name, value in totals %}<div><dt>{{ name }}</dt><dd>{{ number(value) }}</dd></div>
{% endfor %}</dl>

{% macro seen(each) %}{% if each.time is not none %}{{ moment(each.time) }}{% endif %}
{% for key, value in each.who.items() %} <span class="note">{{ key.replace("_", " ") }}</span> {{ value }}{% endfor %}
{% if each.file %} <span class="note">{{ each.file }}:{{ each.line }}</span>{% elif each.line %} <span class="note">row {{ each.line }}</span>{% endif %}{% endmacro %}
{% for title, violations in parts if violations %}<h2>{{ title }}</h2>
{% if violations|length > shown %}<p class="note">The first {{ shown }} of {{ number(violations|length) }}.</p>{% endif %}
<div class="wide"><table>
<tr><th class="number">order</th><th>its first line that nothing explains</th><th>it could only be in</th><th>allowed there</th></tr>
{% for each in violations[:shown] %}<tr><td class="number">{{ each.order_id }}</td>
<td>{{ each.said }}<br>{{ seen(each) }} <span class="note">its line {{ each.index + 1 }}</span>
{% if each.before %}<details><summary>the lines before it</summary><ol>
{% for line in each.before %}<li>{{ line.said }}<br>{{ seen(line) }}</li>
{% endfor %}</ol></details>{% endif %}</td>
<td>{% for state in each.possible %}{{ name(state) }}{{ ", " if not loop.last }}{% endfor %}</td><td>{{ each.legal|join(", ") }}</td></tr>
{% endfor %}</table></div>
{% endfor %}
<h2>The histories as flow</h2>
<p class="note">How many times orders took each step, as far as their lines say which one: the broader, the more often.
{%- if report.longer %} {{ number(report.longer) }} orders with more than {{ report.longest }} lines are not drawn.{% endif %}
{%- if report.unclear %} {{ number(report.unclear) }} steps are not drawn, since the lines do not say from which state they were.{% endif %}
{%- if report.flow %} A row without a number was not taken, as far as can be told.{% endif %}</p>
<div class="wide">{{ flow|safe }}</div>
<div class="wide"><table>
<tr><th>from</th><th>step</th><th>to</th><th class="number">times</th><th></th></tr>
{% for row, count in steps %}<tr><td>{{ name(row.source) }}</td><td>{{ row.trigger }}</td><td>{{ name(row.target) }}</td>
<td class="number">{{ number(count) }}</td><td style="width: 25%"><div class="bar" style="width: {{ 100 * count / most }}%"></div></td></tr>
{% endfor %}</table></div>

<h2>The commonest of {{ number(report.distinct) }} histories</h2>
<div class="wide"><table>
<tr><th class="number">orders</th><th>verdict</th><th>what their lines say</th></tr>
{% for each in report.histories %}<tr><td class="number">{{ number(each.orders) }}</td>
<td class="{{ each.verdict }}">{{ each.verdict }}</td><td>{{ each.said|join("; ") }}</td></tr>
{% endfor %}</table></div>

{% if report.held %}<h2>Orders that hold quota</h2>
<p class="note">Orders that hold a unit: {{ number(report.holding_quota) }}. Those without a line for the longest time:</p>
<div class="wide"><table><tr><th class="number">order</th><th>last line</th><th class="number">days before the log's end</th></tr>
{% for each in report.held %}<tr><td class="number">{{ each.order_id }}</td><td>{{ moment(each.last) }}</td>
<td class="number">{{ "%.1f"|format(each.days) }}</td></tr>
{% endfor %}</table></div>{% endif %}

{% if report.refusals %}<h2>Refusals</h2>
<div class="wide"><table><tr><th>operation</th><th class="number">refused by the order's state</th>
<th class="number">a check before the call would have saved</th></tr>
{% for operation, each in report.refusals.items() %}<tr><td>{{ operation }}</td><td class="number">{{ number(each.refusals) }}</td>
<td class="number">{{ number(each.foreseeable) }}</td></tr>
{% endfor %}</table></div>{% endif %}

{% if report.errors %}<h2>Errors</h2>
<div class="wide"><table><tr><th>operation</th><th>code</th><th class="number">times</th></tr>
{% for operation, codes in report.errors.items() %}{% for code, count in codes.items() %}<tr><td>{{ operation }}</td>
<td>{{ code }}</td><td class="number">{{ number(count) }}</td></tr>
{% endfor %}{% endfor %}</table></div>{% endif %}
</body>
</html>
"""


def page(report: Report, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """The page, complete in itself; text from the log is escaped."""
    steps = sorted(report.flow.items(), key=lambda step: (-step[1], str(step[0].source), step[0].trigger))
    new = [each for each in report.violations if each.is_new]
    known = [each for each in report.violations if not each.is_new]
    template = Environment(autoescape=True, trim_blocks=True).from_string(_PAGE)
    return template.render(
        report=report,
        edition=lifecycle.edition,
        totals=[
            ("conform", report.conforms),
            ("of these, only with events that nobody saw", report.with_unseen_events),
            ("violate the table", report.violates),
            ("undecided", report.undecided),
            ("hold quota", report.holding_quota),
            ("lines about orders", report.events),
            ("other lines", report.other),
            ("bad lines", report.bad_lines),
        ],
        flow=drawing.svg(lifecycle, flow=report.flow),
        parts=[
            ("New violations" if report.new.goes_on else "Violations", new),
            ("Violations that earlier audits found", known),
        ],
        steps=steps,
        most=max(report.flow.values(), default=1),
        shown=SHOWN,
        moment=moment,
        name=lambda state: "no order" if state is None else state.replace("_", " "),
        number="{:,}".format,
    )
