"""The command line: each command parses, calls one function and prints."""

from pathlib import Path

import click
import flask_migrate
from flask import current_app

from models import projections
from models.db import transaction, utcnow
from models.user import User
from workers import counts, demo, queue, schedule, simulation


def register(app):
    """Give the application its commands."""
    for command in (create_admin, make_demo, prepare, recalculate_counts, scheduler, simulate_class, worker):
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
    while projections.fold():
        pass


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


@click.command("recalculate-counts")
@click.option("--submission", type=int)
@click.option("--user", type=int)
@click.option("--course", type=int)
@click.option("--assignment", type=int)
@click.option("--all", "everything", is_flag=True)
@click.option("--dry-run", is_flag=True, help="only look for differences")
def recalculate_counts(submission, user, course, assignment, everything, dry_run):
    """Rebuild counters from the log, and show what differed."""
    ids = {"submission": submission, "user": user, "course": course, "assignment": assignment}
    given = [(scope, scope_id) for scope, scope_id in ids.items() if scope_id is not None]
    given += [("all", None)] if everything else []
    if len(given) != 1:
        raise click.UsageError("Name exactly one of --submission, --user, --course, --assignment, --all.")
    differences = []
    steps = counts.steps_of(*given[0])
    with click.progressbar(steps, label="recalculating") as bar:
        for function, arguments in bar:
            differences += function(*arguments, dry_run=dry_run)
    for found in differences:
        click.echo("{table} {id} {field}: {was} -> {is}".format(**found))
    click.echo(f"{len(steps)} streams and rows, {len(differences)} differences{' (dry run)' if dry_run else ''}.")


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
