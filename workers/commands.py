"""The command line: each command parses, calls one function and prints."""

import contextlib
import signal
import sys
from functools import partial
from pathlib import Path

import click
import flask_migrate
from flask import current_app

from models import projections
from models.db import db, transaction, utcnow
from models.errors import AppError
from models.streams import DONE, JobRun
from models.user import User
from workers import demo, evaluation, queue, recalculation, schedule, simulation
from workers.scopes import SCOPES


def register(app):
    """Give the application its commands."""
    for command in COMMANDS:
        app.cli.add_command(command)


@click.command("create-admin")
@click.option("--email", prompt=True)
@click.option("--name", prompt=True)
@click.password_option()
def create_admin(email, name, password):
    """Make an account that may do everything."""
    with transaction() as session:
        user = User(email=email.strip().lower(), name=name, is_admin=True)
        user.set_password(password)
        session.add(user)
    click.echo(f"Admin {email} can log in now.")


@click.command("make-demo")
@click.option("--url", required=True, help="where the site will be")
def make_demo(url):
    """Make the demo school and demo.json, once."""
    demo.make(current_app.config["INSTANCE_PATH"], url)
    click.echo(f"The demo school is described in {Path(current_app.config['INSTANCE_PATH']) / demo.FILE}.")


@click.command()
@click.option("--url", required=True, help="where the site will be")
@click.option("--no-demo", is_flag=True, help="make no demo school")
def prepare(url, no_demo):
    """Bring the database up to date and make the demo school: all that a start needs, in one process."""
    flask_migrate.upgrade()
    if not no_demo:
        demo.make(current_app.config["INSTANCE_PATH"], url)
    projections.fold_all()


@click.command()
@click.argument("names", nargs=-1)
def worker(names):
    """Work on queues: `counts` alone without forking, or all others."""
    unknown = set(names) - set(queue.NAMES)
    if unknown:
        raise click.ClickException(f"There is no queue {sorted(unknown)[0]}; there are {', '.join(queue.NAMES)}.")
    queue.work(current_app._get_current_object(), names or queue.NAMES[1:])


@click.command()
def scheduler():
    """Enqueue what is due; one process per installation."""
    schedule.run(current_app._get_current_object())


def _scoped(command):
    """The options that name one scope."""
    for scope in reversed(SCOPES[:-1]):
        command = click.option(f"--{scope}", type=int, metavar="ID", help=f"one {scope}")(command)
    return click.option("--all", "everything", is_flag=True, help="everybody and everything")(command)


def _scope_of(everything, ids):
    given = [(scope, scope_id) for scope, scope_id in ids.items() if scope_id is not None]
    given += [("all", None)] if everything else []
    if len(given) != 1:
        names = ", ".join(f"--{scope}" for scope in SCOPES)
        raise click.UsageError(f"Name exactly one of {names}.")
    return given[0]


@click.command("recalculate-counts")
@_scoped
@click.option("--dry-run", is_flag=True, help="only look for differences")
@click.option("--batch", default=500, show_default=True, type=click.IntRange(1, 100_000), help="keys read at once")
@click.option("--resume", is_flag=True, help="go on with the newest run of this scope that stopped half-way")
def recalculate_counts(everything, dry_run, batch, resume, **ids):
    """Rebuild counters from the log, and show what differed. Ctrl-C stops it; --resume goes on."""
    progress = _recalculate(_scope_of(everything, ids), dry_run=dry_run, batch=batch, resume=resume)
    _print_differences(progress)


@click.command("verify-counts")
@_scoped
@click.option("--batch", default=500, show_default=True, type=click.IntRange(1, 100_000), help="keys read at once")
def verify_counts(everything, batch, **ids):
    """Compare counters with the log and change nothing; by default all of them. Exit code 1 where they differ."""
    everything = everything or not any(scope_id is not None for scope_id in ids.values())
    progress = _recalculate(_scope_of(everything, ids), dry_run=True, batch=batch, resume=False)
    _print_differences(progress)
    wrong = projections.find_broken_streams() if everything else []
    for user_id, words in wrong:
        click.echo(f"The stream of user {user_id} is broken: {words}.")
    if progress.found or wrong:
        sys.exit(1)


def _recalculate(scope, *, dry_run, batch, resume):
    """Do it here and now, with a bar; the admin's pages show it too. Refuses while the same is running."""
    name, scope_id = scope
    run = recalculation.find_interrupted(name, scope_id, dry_run=dry_run) if resume else None
    if resume and run is None:
        raise click.ClickException("No run of this scope has stopped half-way.")
    try:
        with _ctrl_c_later():
            run = run or recalculation.request_recalculation(
                scope=name, scope_id=scope_id, dry_run=dry_run, requested_by=None, enqueue=False
            )
        return _do(run.id, "comparing" if dry_run else "recalculating", batch=batch, resume=resume)
    except AppError as error:
        raise click.ClickException(error.message) from error
    except KeyboardInterrupt:
        if run is not None:
            _cancel(run)
        raise


@contextlib.contextmanager
def _ctrl_c_later():
    """Ctrl-C waits for the end of this: a run that is asked for must be known, or workers would do it."""
    asked = []
    before = signal.signal(signal.SIGINT, lambda *_: asked.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt


def _cancel(run):
    """Whatever was interrupted, no worker goes on with it."""
    with _ctrl_c_later(), contextlib.suppress(AppError):
        db.session.remove()
        recalculation.cancel_recalculation(run)


def _do(run_id, label, *, batch, resume):
    """Do a run with a bar; raises a sentence where it did not come to its end."""
    try:
        with click.progressbar(length=0, label=label, file=sys.stderr) as bar:
            progress = recalculation.recalculate(run_id, batch=batch, resume=resume, show=partial(_show, bar))
    except projections.BrokenStream as error:
        raise click.ClickException(f"A stream cannot be read, nothing after it was looked at: {error}.") from error
    if progress is None:
        raise click.ClickException(f"The same is being recalculated already; run {run_id} waits for it and comes next.")
    status = db.session.get(JobRun, run_id, populate_existing=True).status
    if status != DONE:
        raise click.ClickException(f"It was {status} after {progress.done} of {progress.total} streams and rows.")
    return progress


def _show(bar, done, total):
    bar.length = total
    bar.update(done - bar.pos)


def _print_differences(progress):
    """A table of the first differences, and how many there are of how much."""
    if progress.differences:
        click.echo(f"{'table':<24} {'id':>8}  {'field':<40} {'was':>16}  is")
    for found in progress.differences:
        click.echo("{table:<24} {id:>8}  {field:<40} {was!s:>16}  {is}".format(**found))
    if progress.found > len(progress.differences):
        click.echo(f"... and {progress.found - len(progress.differences)} more")
    click.echo(f"{progress.done} of {progress.total} streams and rows, {progress.found} differences.")


@click.command("simulate-class")
@click.option("--url", default="http://127.0.0.1:5000", show_default=True)
@click.option("--demo", "demo_file", type=click.Path(exists=True, dir_okay=False), required=True)
@click.option("--students", default=25, show_default=True, type=click.IntRange(1, 500))
@click.option("--minutes", default=5.0, show_default=True, type=click.FloatRange(min=0, min_open=True))
@click.option("--speed", default=1.0, show_default=True, type=click.FloatRange(0.1, 100))
@click.option("--seed", type=int, help="play the same class again")
def simulate_class(url, demo_file, students, minutes, speed, seed):
    """Play a class through the public endpoints: it types, runs, fails, gets stuck, loses its network, comes back."""
    seed = seed if seed is not None else int(utcnow().timestamp())
    simulation.play(url, demo_file, students=students, minutes=minutes, speed=speed, seed=seed)


@click.command("evaluate-help-rules")
@click.option("--data", type=click.Path(exists=True), help="a MainTable, or a folder with some")
@click.option("--format", "kind", default="fitech", show_default=True, type=click.Choice(list(evaluation.FORMATS)))
@click.option("--simulated", is_flag=True, help="judge on a simulated class, whose students know when they are stuck")
@click.option("--students", default=30, show_default=True, type=click.IntRange(1, 500))
@click.option("--minutes", default=45.0, show_default=True, type=click.FloatRange(min=1, max=600))
@click.option("--seed", default=1, show_default=True)
def evaluate_help_rules(data, kind, simulated, students, minutes, seed):
    """Judge the rules that say who needs help, beside simpler ones with as many flags."""
    if bool(data) == simulated:
        raise click.UsageError("Name --data or --simulated.")
    try:
        if simulated:
            lines = evaluation.report_on_simulation(students=students, minutes=minutes, seed=seed)
        else:
            lines = evaluation.report_on_marks(evaluation.FORMATS[kind](data))
        for line in lines:
            click.echo(line)
    except evaluation.UnreadableData as error:
        raise click.ClickException(str(error)) from error


COMMANDS = (
    create_admin,
    evaluate_help_rules,
    make_demo,
    prepare,
    recalculate_counts,
    scheduler,
    simulate_class,
    verify_counts,
    worker,
)
