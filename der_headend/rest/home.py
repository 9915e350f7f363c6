"""The page at ``/``: what this is and where to go. It refers to no other host."""

from html import escape
from string import Template

_ROUTES = (
    ("/docs", "the API, to read and to try"),
    ("/assets", "the inventory with live power, energy and status"),
    ("/sites", "sites with their assets and headroom"),
    ("/agents", "who is connected"),
    ("/dispatch/history", "dispatches, newest first"),
    ("/events", "events and alarms, newest first"),
    ("/stream", "everything that changes, as it changes"),
    ("/readyz", "whether all parts work"),
    ("/metrics", "for Prometheus"),
)

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>DER Fleet headend</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto; padding: 0 1rem; }
  h1 { font-size: 1.5rem; margin: 0; }
  p { opacity: .75; margin: .25rem 0 1.5rem; }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: .4rem 1.5rem; }
  dt { font-family: ui-monospace, monospace; }
  dd { margin: 0; }
</style>
</head>
<body>
<h1>DER Fleet headend</h1>
<p>Version $version. Power in MW: positive = discharge / export, negative = charge / import.</p>
<dl>
$routes
</dl>
</body>
</html>
""")


def page(version: str) -> str:
    """The page as HTML."""
    routes = "\n".join(
        f'<dt><a href="{path}">{path}</a></dt><dd>{escape(what)}</dd>' for path, what in _ROUTES
    )
    return _PAGE.substitute(version=escape(version), routes=routes)
