"""The two public addresses, of the repository and of these pages, and all that follows from them.

They are the settings ``addresses`` in ``_config.yml``, and both are empty until there is something to point to. The
address of the repository brings the theme's buttons (repository, issue, edit) and a Binder button. The address of the site
brings canonical links, absolute links under figures, and what :mod:`meta` writes for machines. While an address is empty,
none of these appear. The tools of ``book/_tools`` use the same functions for the citation file and the README.
"""

import re
from pathlib import Path
from urllib.parse import quote, urlsplit

import yaml

BRANCH = "main"
BINDER = "https://mybinder.org"
#: The forges whose buttons the theme knows: a part of the host's name says which.
FORGES = {"github": "GitHub", "gitlab": "GitLab"}
EDIT = {"github": "edit", "gitlab": "-/edit"}


def checked(found):
    """The two addresses as a mapping; raise ``ValueError`` naming the setting and what was expected."""
    if not isinstance(found, dict) or set(found) != {"repository", "site"}:
        raise ValueError(f"addresses: expected the two settings repository and site, got {found!r}")
    for name, value in found.items():
        if value and not re.fullmatch(r"https://[\w.-]+(:\d+)?(/[\w.~/-]*)?", str(value)):
            raise ValueError(
                f"addresses.{name}: expected nothing or an address that begins with https://, got {value!r}"
            )
    repository, site = (str(found[name] or "").rstrip("/") for name in ("repository", "site"))
    if repository and (forge(repository) is None or urlsplit(repository).path.count("/") < 2):
        raise ValueError(
            f"addresses.repository: expected https://HOST/OWNER/NAME at a GitHub or a GitLab, got {repository!r}"
        )
    return {"repository": repository, "site": f"{site}/" if site else ""}


def forge(repository):
    """Which kind of forge an address belongs to, or None where the theme knows none."""
    return next((name for name in FORGES if name in urlsplit(repository).netloc), None)


def read(config):
    """The two addresses of a configuration file."""
    return checked(yaml.safe_load(Path(config).read_text(encoding="utf8"))["sphinx"]["config"]["addresses"])


def cited(text, addresses):
    """The text of a ``CITATION.cff`` with the addresses that are set, and without any other."""
    lines = [line for line in text.splitlines() if not re.match(r"(?:url|repository-code): ", line)]
    known = {"repository-code": addresses["repository"], "url": addresses["site"]}
    return "\n".join([*lines, *(f'{key}: "{value}"' for key, value in known.items() if value)]) + "\n"


def binder(repository, page):
    """The address that opens the notebook of a page in Binder, in the locked environment of ``environment.yml``."""
    host, path = urlsplit(repository).netloc, urlsplit(repository).path.strip("/")
    kind = {"github.com": f"gh/{path}", "gitlab.com": f"gl/{quote(path, safe='')}"}
    place = kind.get(host, f"git/{quote(repository, safe='')}")
    return f"{BINDER}/v2/{place}/{BRANCH}?urlpath=lab/tree/{page}.ipynb"


def theme_options(repository):
    """The options of the theme that bring its buttons for a repository."""
    buttons = ("use_repository_button", "use_issues_button", "use_edit_page_button")
    return dict.fromkeys(buttons, True) | {
        "repository_url": repository,
        "repository_provider": forge(repository),
        "repository_branch": BRANCH,
        "launch_buttons": {"binderhub_url": BINDER, "notebook_interface": "jupyterlab"},
    }


def configure(app, config):
    """Give the theme the addresses that are set."""
    config.addresses = checked(config.addresses)
    repository, site = config.addresses["repository"], config.addresses["site"]
    if repository:
        config.html_theme_options |= theme_options(repository)
        # What people edit is the text of a chapter, not the notebook made from it.
        edit = f"{repository}/{EDIT[forge(repository)]}/{BRANCH}/{{{{ file_name | replace('.ipynb', '.md') }}}}"
        config.html_context |= {"edit_page_url_template": edit, "edit_page_provider_name": FORGES[forge(repository)]}
    if site:
        config.html_baseurl = site


def launch(app, pagename, templatename, context, doctree):
    """Give the theme's launch button an address that is right for every forge."""
    for group in context.get("header_buttons", []):
        if group["label"] == "launch-buttons":
            for button in group["buttons"]:
                button["url"] = binder(app.config.addresses["repository"], pagename)


def setup(app):
    app.add_config_value("addresses", {"repository": "", "site": ""}, "env")
    app.connect("config-inited", configure, priority=400)  # before the theme reads its options
    app.connect("html-page-context", launch, priority=600)  # after the theme's buttons
    return {"parallel_read_safe": True, "parallel_write_safe": True}
