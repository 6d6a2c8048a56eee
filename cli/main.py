"""`./ocpi`: the operator's command line.

It is not part of chalicelib, because it runs on a person's machine and is never deployed. Most commands are a
thin client of the operator API of a node, and work the same against the sandbox and a deployed node.
`--node` selects a node of the running sandbox; `--url` and `--key`, or OCPI_OPERATOR_URL and
OCPI_OPERATOR_KEY, select any other node.

Each command imports its modules when it runs, so that pricing a file does not have to load the AWS client.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cli.operator_client import OperatorClient

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Look after an OCPI node: its partners, its keys, what it sends.",
)

PTMOB = "ptmob"

Hub = Annotated[bool, typer.Option(help="It is a hub that relays other parties, such as MOBI.E.")]
PartnerRole = Annotated[
    str | None,
    typer.Option("--role", metavar="CPO|EMSP", help="Its role, which it cannot say itself in OCPI 2.1.1."),
]
Strict = Annotated[
    bool, typer.Option(help="For certification: refuse every deviation from OCPI, repair nothing.")
]
Expect = Annotated[
    list[str] | None,
    typer.Option(metavar="COUNTRY/PARTY/ROLE", help="A role that it will claim, such as PT/ABC/CPO; repeat."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SETTING=VALUE", help="Any setting, such as token_encoding=raw; repeat."),
]
Again = Annotated[
    str | None,
    typer.Option(metavar="PARTNER_ID", help="A known partner that begins anew, and keeps its settings."),
]
OnlyVersion = Annotated[
    str | None,
    typer.Option(
        "--version",
        metavar="VERSION",
        help="Agree on this OCPI version, such as 2.2, and no other; default: the highest of both sides.",
    ),
]
KeptVersion = Annotated[
    str | None,
    typer.Option(
        "--version",
        metavar="VERSION",
        help='Move to this OCPI version, such as 2.2, and keep to it; "" is the highest of both sides. '
        "Default: as set before.",
    ),
]
Roles = Annotated[
    list[str] | None,
    typer.Argument(metavar="COUNTRY/PARTY/ROLE", help="Such as PT/ABC/CPO; all when left out."),
]


def _show_release(wanted: bool) -> None:
    if wanted:
        from chalicelib.release import RELEASE

        typer.echo(f"ocpi {RELEASE}")
        raise typer.Exit


@app.callback()
def which_node(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_release, is_eager=True, help="Show the release.")
    ] = False,
    node: Annotated[
        str, typer.Option(help="A node of the running sandbox: cpo, hub, emsp, or emsp22 and the like.")
    ] = "cpo",
    url: Annotated[
        str | None, typer.Option(envvar="OCPI_OPERATOR_URL", help="Any node's operator URL.")
    ] = None,
    key: Annotated[str | None, typer.Option(envvar="OCPI_OPERATOR_KEY", help="Its operator key.")] = None,
) -> None:
    context.obj = (node, url, key)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def certify(context: typer.Context) -> None:
    """Run MOBI.E's 33 scenarios, against the sandbox or deployed nodes (details: `certify --help`)."""
    from certification.runner import main

    raise typer.Exit(main(context.args))


@app.command()
def partners(context: typer.Context) -> None:
    """List the partners with status, OCPI version and roles."""
    for partner in _operator_api(context).all("partners"):
        roles = ", ".join(
            f"{each['role']} {each['country_code']}/{each['party_id']}" for each in partner["roles"]
        )
        version = partner.get("version") or "-"
        typer.echo(
            f"{partner['id']}  {partner['status']:<12}  {version:<5}  {partner['name']}  {roles}".rstrip()
        )
        if waiting := partner.get("pending_roles"):
            chosen = f"{partner['id']} {_names_of(waiting)}"
            typer.echo(f"  waits for your approval: ./ocpi approve {chosen} (or ./ocpi reject)")
        if reserved := partner.get("reserved_roles"):
            chosen = f"{partner['id']} {_names_of(reserved)}"
            typer.echo(f"  reserved until you release it for others: ./ocpi release {chosen}")


@app.command()
def invite(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Name for the partner; with --again it may be left out.")
    ] = None,
    raw_token: Annotated[bool, typer.Option(help="It sends tokens raw, not in Base64 (OCPI 2.2).")] = False,
    ptmob: Annotated[bool, typer.Option(help="It follows MOBI.E's profile (location ids).")] = False,
    hub: Hub = False,
    role: PartnerRole = None,
    strict: Strict = False,
    expect: Expect = None,
    version: OnlyVersion = None,
    settings: Set = None,
    again: Again = None,
) -> None:
    """Make the first token (token A) for a partner that will register here."""
    if not name and not again:
        raise typer.BadParameter("a new partner needs a name", param_hint="NAME")
    named = {"name": name} if name else {}
    flags = _partner_flags(raw_token, ptmob, hub, role, strict, expect, version, settings, again)
    body = {**named, **flags}
    _show(_operator_api(context).post("partners", "invitations", body=body))


@app.command()
def register(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name for the partner.")],
    versions_url: Annotated[str, typer.Argument(help="Its versions URL.")],
    token: Annotated[
        str,
        typer.Option(prompt=True, hide_input=True, help="The first token it gave; default: prompt for it."),
    ],
    raw_token: Annotated[bool, typer.Option(help="Send it tokens raw, not in Base64 (OCPI 2.2).")] = False,
    ptmob: Annotated[bool, typer.Option(help="It follows MOBI.E's profile (location ids).")] = False,
    hub: Hub = False,
    role: PartnerRole = None,
    strict: Strict = False,
    expect: Expect = None,
    version: OnlyVersion = None,
    settings: Set = None,
    again: Again = None,
) -> None:
    """Register this node at a partner."""
    flags = _partner_flags(raw_token, ptmob, hub, role, strict, expect, version, settings, again)
    body = {"name": name, "versions_url": versions_url, "token": token, **flags}
    _show(_operator_api(context).post("partners", "registrations", body=body))


@app.command()
def settings(
    context: typer.Context,
    partner_id: str,
    changes: Annotated[
        list[str] | None,
        typer.Argument(metavar="SETTING=VALUE", help="""Such as name=Evia or 'profiles=["ptmob"]'."""),
    ] = None,
) -> None:
    """Show the settings of a partner, after changing those that you name."""
    from cli.partner_settings import read_settings, write_settings

    api = _operator_api(context)
    body = read_settings(changes or ())
    partner = api.patch("partners", partner_id, body=body) if body else api.get("partners", partner_id)
    for line in write_settings(partner):
        typer.echo(line)


@app.command()
def approve(context: typer.Context, partner_id: str, roles: Roles = None) -> None:
    """Approve roles that a partner has claimed: all pending ones, or those that you name."""
    _show(_operator_api(context).post("partners", partner_id, "roles", "approve", body=_named_roles(roles)))


@app.command()
def reject(context: typer.Context, partner_id: str, roles: Roles = None) -> None:
    """Reject roles that a partner has claimed: all pending ones, or those that you name."""
    _show(_operator_api(context).post("partners", partner_id, "roles", "reject", body=_named_roles(roles)))


@app.command()
def release(context: typer.Context, partner_id: str, roles: Roles = None) -> None:
    """Let others claim the roles that are reserved for a partner that left or dropped them."""
    _show(_operator_api(context).post("partners", partner_id, "release", body=_named_roles(roles)))


@app.command()
def rotate(context: typer.Context, partner_id: str, version: KeptVersion = None) -> None:
    """Exchange both tokens with a partner and announce the endpoints again."""
    body = {} if version is None else {"only_version": version}
    _show(_operator_api(context).put("partners", partner_id, "credentials", body=body))


@app.command()
def reserve_location_id(
    context: typer.Context,
    location: Annotated[
        Path | None, typer.Argument(help="JSON file with the known fields of the location.")
    ] = None,
) -> None:
    """Ask the hub for the id of a future location."""
    from cli.named_file import find_file

    body = json.loads(find_file(location).read_text(encoding="utf-8")) if location else {}
    typer.echo(_operator_api(context).post("location-ids", body=body)["id"])


@app.command()
def broadcasts(context: typer.Context) -> None:
    """Show per partner the objects that are waiting, delivered, refused, held, shortened or given up."""
    for partner in _operator_api(context).all("broadcasts"):
        _show(partner)


@app.command()
def findings(
    context: typer.Context,
    partner_id: str,
    module: Annotated[str | None, typer.Option(help="Only this module, such as locations.")] = None,
    clear: Annotated[bool, typer.Option(help="Delete them, to count anew after a correction.")] = False,
) -> None:
    """Show what was odd in a partner's documents: how often, where, and what the node did."""
    from cli.findings import table_of

    query = {"module": module} if module else {}
    if clear:
        _operator_api(context).delete("partners", partner_id, "findings", **query)
        return
    for line in table_of(_operator_api(context).all("partners", partner_id, "findings", **query)):
        typer.echo(line)


@app.command()
def pull(
    context: typer.Context,
    partner_id: str,
    module: Annotated[
        list[str] | None,
        typer.Option(help="Only this module: locations, tariffs, tokens, sessions or cdrs. Repeatable."),
    ] = None,
    date_from: Annotated[
        str | None, typer.Option(help="What changed since then; default: since the last successful pull.")
    ] = None,
    full: Annotated[
        bool, typer.Option(help="Everything, and show what has vanished from the lists.")
    ] = False,
) -> None:
    """Read a partner's lists now; `./ocpi pulls` shows how far that is."""
    body = {"modules": module, "date_from": date_from, "full": full or None}
    given = {name: value for name, value in body.items() if value is not None}
    for started in _operator_api(context).post("partners", partner_id, "pull", body=given):
        typer.echo(_pull_line(started))


@app.command()
def pulls(
    context: typer.Context,
    partner_id: str,
    module: Annotated[str | None, typer.Argument(help="Show all about this module's last pull.")] = None,
) -> None:
    """Show the last pull of each list of a partner: pages, objects, what became of them, and errors."""
    if module is not None:
        return _show(_operator_api(context).get("partners", partner_id, "pulls", module))
    for found in _operator_api(context).all("partners", partner_id, "pulls"):
        typer.echo(_pull_line(found))


def _pull_line(pull: dict[str, Any]) -> str:
    counts = ("pages", "objects", "kept", "unchanged", "refused", "odd", "vanished", "waits")
    numbers = "  ".join(f"{name} {pull[name]}" for name in counts if pull[name])
    until = f" (again at {pull['retry_at']})" if pull["retry_at"] else ""
    error = f"  {pull['error']}{until}" if pull["error"] else ""
    return f"{pull['module']:<10}{pull['state']:<11}{pull['started']}  {numbers}{error}".rstrip()


@app.command()
def sessions_without_cdr(context: typer.Context) -> None:
    """Show ended sessions that have no CDR because they could not be priced, each with the reason."""
    for session in _operator_api(context).all("sessions_without_cdr"):
        _show(session)


@app.command()
def retry_cdr(
    context: typer.Context,
    session_id: str,
    party: Annotated[
        str | None, typer.Option(help="Party of the session, such as PT*ABC, if several have one of this id.")
    ] = None,
) -> None:
    """Try again to make the CDR of a session, after the missing data has been added."""
    query = {"party": party} if party else {}
    _show(_operator_api(context).post("sessions_without_cdr", session_id, body={}, **query))


@app.command()
def release_cdr(
    context: typer.Context,
    session_id: str,
    party: Annotated[
        str | None, typer.Option(help="Party of the session, such as PT*ABC, if several have one of this id.")
    ] = None,
) -> None:
    """Bill a session in spite of impossible energy, hours or times."""
    query = {"party": party} if party else {}
    _show(_operator_api(context).post("sessions_without_cdr", session_id, "release", body={}, **query))


@app.command()
def replay_cdr(context: typer.Context, cdr_id: str) -> None:
    """Send a CDR again to the partners that have not accepted it, after the cause has been fixed."""
    _show(_operator_api(context).post("cdrs", cdr_id, "replay", body={}))


@app.command()
def replay(
    context: typer.Context,
    partner_id: str,
    module: Annotated[
        str | None, typer.Option(help="Only this module: tariffs, locations, tokens, sessions or cdrs.")
    ] = None,
    object_path: Annotated[
        str | None,
        typer.Option("--object", help="Only this object of the module, as COUNTRY/PARTY/ID: PT/ABC/S-4711."),
    ] = None,
    token_type: Annotated[
        str | None, typer.Option("--type", help="The type of a token, if not RFID.")
    ] = None,
) -> None:
    """Send again the objects that a partner has not accepted, after the cause has been fixed."""
    body = {"module": module} if module else {}
    if object_path is not None:
        parts = object_path.split("/", 2)
        if module is None or len(parts) < 3:
            raise typer.BadParameter("--object is COUNTRY/PARTY/ID, and needs --module")
        body |= dict(zip(("country_code", "party_id", "id"), parts, strict=True))
    if token_type is not None:
        body["type"] = token_type
    _show(_operator_api(context).post("broadcasts", partner_id, "replay", body=body))


Stage = Annotated[str, typer.Option(help="The node's stage: its table is ocpi-node-STAGE.")]


@app.command()
def operator_key(
    stage: Stage,
    name: Annotated[str, typer.Option(help="Name of the holder of the key.")] = "operator",
) -> None:
    """Make a key to the operator API of a deployed node and print it, only once. Needs AWS credentials."""
    from cli.operator_key import make_operator_key

    typer.echo(make_operator_key(stage, name))


@app.command()
def operator_keys(stage: Stage) -> None:
    """List the keys to the operator API of a deployed node, with names and dates. Needs AWS credentials."""
    from cli.operator_key import list_keys

    for key in list_keys(stage):
        typer.echo(f"{key.created}  {key.name}")


@app.command()
def revoke_operator_key(
    stage: Stage,
    name: Annotated[str, typer.Option(help="Name of the holder: all keys of this name are revoked.")],
) -> None:
    """Revoke all keys of one name to the operator API of a deployed node. Needs AWS credentials."""
    from cli.operator_key import revoke_keys

    number = revoke_keys(stage, name)
    typer.echo(f"{number} revoked")
    raise typer.Exit(0 if number else 1)


@app.command()
def doctor(context: typer.Context) -> None:
    """Check this machine and the node that was chosen."""
    from cli.doctor import examine
    from cli.nodes import NodeChoice

    findings = list(examine(NodeChoice(*context.obj)))
    for finding in findings:
        typer.echo(f"{'ok  ' if finding.is_fine else 'FAIL'}  {finding.what}: {finding.detail}")
    raise typer.Exit(0 if all(finding.is_fine for finding in findings) else 1)


JsonFile = Annotated[str, typer.Argument(help="A JSON file; - is standard input.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
PerMinute = Annotated[
    bool,
    typer.Option("--time-prices-per-minute", help="Prices of time are per minute, not per hour as in OCPI."),
]


@app.command()
def price(file: JsonFile, as_json: AsJson = False, time_prices_per_minute: PerMinute = False) -> None:
    """Price a session: FILE is {"tariffs": [...], "session": {...}}. Needs no node."""
    from cli import pricing

    raise typer.Exit(pricing.price(file, as_json, time_prices_per_minute))


@app.command()
def verify(
    file: JsonFile,
    as_json: AsJson = False,
    time_zone: Annotated[
        str | None, typer.Option(help="Of the location; left out, that of the CDR's country.")
    ] = None,
    time_prices_per_minute: PerMinute = False,
) -> None:
    """Check the totals of a CDR against its own tariffs and charging periods. Needs no node.

    Exit code: 0 when all is right, 1 when something differs, 2 when something could not be judged or read.
    """
    from cli import pricing

    raise typer.Exit(pricing.verify(file, as_json, time_zone, time_prices_per_minute))


@app.command()
def credit(
    file: JsonFile,
    as_json: Annotated[bool, typer.Option("--json", help="No effect: the answer is always JSON.")] = False,
) -> None:
    """Print the credit CDR of a CDR. Needs no node."""
    from cli import pricing

    raise typer.Exit(pricing.credit(file))


@app.command()
def lint(file: JsonFile, as_json: AsJson = False) -> None:
    """Report mistakes of a tariff that fits the schema. Needs no node.

    Exit code: 0 without an error (warnings and advice count as none), 1 with one, 2 when FILE is no tariff.
    """
    from cli import pricing

    raise typer.Exit(pricing.lint(file, as_json))


@app.command()
def check(
    file: JsonFile,
    kind: Annotated[
        str | None, typer.Option(help="Such as Location, EVSE or StartSession; default: by its fields.")
    ] = None,
    party: Annotated[
        str | None, typer.Option(help="Owner of objects that do not name theirs, such as PT*EDP.")
    ] = None,
    strict: Annotated[bool, typer.Option(help="Count every deviation from OCPI as an error.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check an OCPI object, a list of them or an answer, as if a partner had sent it. Needs no node.

    For whole objects: a PATCH lacks required fields, and is refused here. --json shows also what is stored.

    Exit code: 0 when all can be read, if with repairs; 1 when one is refused; 2 when FILE cannot be judged.
    """
    from cli import checking

    raise typer.Exit(checking.check(file, kind, party, strict, as_json))


def main() -> None:
    """Run the command line; an error of a node or of AWS is printed as one line."""
    try:
        app()
    except Exception as error:
        from botocore.exceptions import BotoCoreError

        from chalicelib.errors import OcpiError
        from cli.operator_client import OperatorApiError

        if not isinstance(error, (OperatorApiError, BotoCoreError, OcpiError)):
            raise
        typer.echo(f"ocpi: {error}", err=True)
        raise SystemExit(1) from None


def _operator_api(context: typer.Context) -> OperatorClient:
    from cli.nodes import NodeChoice, choose_node
    from cli.operator_client import OperatorClient

    node = choose_node(NodeChoice(*context.obj))
    return OperatorClient(node.operator_url, node.operator_key)


def _partner_flags(
    raw_token: bool,
    ptmob: bool,
    hub: bool,
    role: str | None,
    strict: bool,
    expect: list[str] | None,
    version: str | None,
    settings: list[str] | None,
    again: str | None,
) -> dict[str, Any]:
    from cli.partner_settings import read_settings

    flags: dict[str, Any] = {
        **({"token_encoding": "raw"} if raw_token else {}),
        **({"profiles": [PTMOB]} if ptmob else {}),
        **({"only_version": version} if version is not None else {}),
        **read_settings(settings or ()),
        **({"partner_id": again} if again else {}),
        **({"role": role.upper()} if role else {}),
    }
    if hub:
        flags["hub"] = True
    if strict:
        flags["strict"] = True
    if expect:
        flags["expected_roles"] = _named_roles(expect)["roles"]
    return flags


def _named_roles(texts: list[str] | None) -> dict[str, Any]:
    """Request body for named roles; empty when none is named."""
    if not texts:
        return {}
    return {"roles": [_named_role(text) for text in texts]}


def _names_of(roles: list[dict[str, Any]]) -> str:
    return " ".join(f"{each['country_code']}/{each['party_id']}/{each['role']}" for each in roles)


def _named_role(text: str) -> dict[str, str]:
    parts = text.split("/")
    if len(parts) != 3 or not all(parts):
        raise typer.BadParameter(f"{text!r} is no role; write COUNTRY/PARTY/ROLE, such as PT/ABC/CPO")
    return {"country_code": parts[0], "party_id": parts[1], "role": parts[2].upper()}


def _show(document: Any) -> None:
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
