"""Simulated students: what each can do at the desk, and the temperaments by which they do it."""

import contextlib
import html
import json
import threading

from workers.simulation import drafts
from workers.simulation.lesson import LessonOver

LAST_TRIES, LAST_PAUSE_SECONDS = 40, 0.25
UNCHECKED = {"tests": 0, "successes": 0, "feedbacks": 0, "feedbackSuccess": 0}


class Student(threading.Thread):
    """One student with a desk, a live line and a temperament. `pace` is (least, most) class seconds between saves."""

    def __init__(self, name, *, desk, line, place, temperament, lesson, rng):
        super().__init__(name=name, daemon=True)
        self.desk, self.line, self.lesson, self.rng = desk, line, lesson, rng
        self.names = rng.choice(drafts.NAMES)
        self.pace, self.letters = (3, 8), (6, 16)
        self._place, self._temperament = place, temperament
        self._plans = []
        self._code, self._score, self._slug = "", 0.0, ""
        self.troubles = []

    def run(self):
        """Come, work until the lesson is over, go."""
        try:
            self._arrive()
            self._temperament(self)
            self._try_numbers()
        except LessonOver:
            pass
        finally:
            self._go()

    def plan(self, share, action):
        """Do something when this share (0 to 1) of the lesson is over, whatever the student is at by then."""
        self._plans.append((share * self.lesson.length_seconds, action))

    def work(self, *steps, done_by):
        """Write and run one draft after the other, so slowly that the last is there at `done_by` of the lesson."""
        begun = self.lesson.now()
        each = max(done_by * self.lesson.length_seconds - begun, 0) / len(steps)
        for number, draft in enumerate(steps, 1):
            self.write(draft)
            self.try_out(draft)
            if not draft.is_right:
                with self.struggling():
                    self._puzzle(draft, until=begun + number * each)

    def write(self, draft):
        """Type until the program is this one; every pause in typing saves."""
        for code in drafts.typing(self._code, draft.code, self.rng, self.letters):
            self.wait(self.rng.uniform(*self.pace))
            self._save(code)

    def fiddle(self, draft, until):
        """Change what changes nothing."""
        while self.lesson.now() < until:
            self.write(draft.noted(self.rng.choice(drafts.COMMENTS)))
            self.wait(min(self.rng.uniform(5, 20), max(until - self.lesson.now(), 0)))

    @contextlib.contextmanager
    def struggling(self):
        """Know that one is stuck, from now until this ends: `troubles` are (begin, end) in class seconds."""
        begun = self.lesson.now()
        try:
            yield
        finally:
            self.troubles.append((begun, self.lesson.now()))

    def try_out(self, draft):
        """Press Run: save, Compile, how it ended, what the tests say, the score (contract blockpy 2.12)."""
        self._save(self._code)
        self.lesson.tally.count("runs")
        self.desk.log("Compile")
        if draft.is_syntax:
            self.desk.log("Compile.Error", message=draft.error)
        elif draft.error:
            self.desk.log("Run.Program", category="ProgramErrorOutput", message=draft.error)
        else:
            outputs = draft.output.split("\n")
            self.desk.log("Run.Program", message=json.dumps({"inputs": [], "outputs": outputs}))
        self.wait(1)
        self._read_feedback(draft)

    def wait(self, seconds):
        """Let class time pass; meanwhile what waits is sent, and what is planned for now happens."""
        until = self.lesson.now() + seconds
        while (left := until - self.lesson.now()) > 0:
            self.lesson.wait(min(left, self.lesson.speed))
            self._keep_up()

    def lose_network(self):
        """From now on nothing arrives; the student works on. Comes back after a while."""
        self._unplug()
        seconds = self.lesson.noticeable(self.rng.uniform(40, 150), real_seconds=25)
        self.plan((self.lesson.now() + seconds) / self.lesson.length_seconds, self._plug_in)

    def close_laptop(self):
        """Sleep and return."""
        self._unplug()
        self.wait(self.lesson.noticeable(self.rng.uniform(60, 240), real_seconds=30))
        self._plug_in()

    def look_away(self):
        """Do something else in another tab, without a key pressed here."""
        self._show(False)
        self.wait(self.lesson.noticeable(self.rng.uniform(60, 120), real_seconds=30))
        self._show(True)
        self.wait(self.lesson.noticeable(self.rng.uniform(90, 240), real_seconds=75))

    def _arrive(self):
        self.wait(self.rng.uniform(0, min(40, self.lesson.length_seconds / 10)))
        loaded = self.desk.load(*self._place)
        while loaded is None:
            self.wait(self.lesson.speed)
            loaded = self.desk.load(*self._place)
        if not loaded.get("submission"):
            raise LessonOver("There is nothing to work on.")
        submission, assignment = loaded["submission"], loaded["assignment"]
        self._code, self._score, self._slug = submission["code"], submission["score"], assignment["url"] or ""
        self.line.open()
        self._start_afresh(assignment["starting_code"])

    def _start_afresh(self, starting_code):
        """Whoever has finished in an earlier lesson presses Reset, so that there is something to do."""
        if self._code != starting_code:
            self.desk.log("X-File.Reset")
            self._save(starting_code)

    def _go(self):
        """At the end nothing stays behind; when somebody stops the lesson, everybody just drops the pen."""
        if not self.lesson.is_stopped:
            self._hand_over()
            self.line.leave()
        self.line.cut()

    def _hand_over(self):
        """Send what still waits, for a few seconds."""
        self.desk.is_online = True
        for _ in range(LAST_TRIES):
            self.desk.flush()
            if not self.desk.waiting_count or self.lesson.is_stopped:
                return
            self.lesson.rest(LAST_PAUSE_SECONDS)

    def _keep_up(self):
        for plan in [plan for plan in self._plans if plan[0] <= self.lesson.now()]:
            if plan in self._plans:
                self._plans.remove(plan)
                plan[1]()
        self.line.keep()
        self.desk.flush()

    def _puzzle(self, draft, until):
        """Wonder why it is wrong: change little things, and run it now and then, in vain."""
        for _ in range(3):
            self.fiddle(draft, min(self.lesson.now() + self.rng.uniform(40, 90), until))
            if self.lesson.now() >= until:
                return
            self.try_out(draft)
        self.fiddle(draft, until)

    def _try_numbers(self):
        """Done before the others: see what else the function can add up."""
        done = drafts.right(self.names)
        while True:
            tried = done.tried([self.rng.randint(-9, 99) for _ in range(self.rng.randint(1, 5))])
            self.write(tried)
            self.try_out(tried)
            self.wait(self.rng.uniform(20, 90))

    def _save(self, code):
        self._code = code
        self.desk.save(code)

    def _read_feedback(self, draft):
        said = _feedback(draft)
        message = {**said, "syntaxError": draft.is_syntax, "runtimeError": bool(draft.error) and not draft.is_syntax}
        category, label = _category(draft)
        self.desk.log("Intervention", category=category, label=label, message=json.dumps(message), extended="true")
        self._score = max(self._score, draft.passed / drafts.CASES)
        self.desk.send_score(self._score, correct=draft.is_right)

    def _unplug(self):
        self.lesson.tally.count("drops")
        self.desk.is_online = False
        self.line.cut()

    def _plug_in(self):
        self.desk.is_online = True
        self.line.open()
        self.desk.flush()

    def _show(self, visible):
        self.line.show(visible)
        told = "visible" if visible else "hidden"
        self.desk.log("Resource.View", category="reading", label="visibility", message=told, file_path=self._slug)


def _category(draft):
    """The feedback's category and title, as the editor's tests give them."""
    if draft.is_syntax:
        return "syntax", "Syntax Error"
    if draft.error.startswith("NameError"):
        return "algorithmic", "Initialization Problem"
    if draft.error:
        return "runtime", draft.error.partition(":")[0]
    return ("complete", "Complete") if draft.is_right else ("instructor", "Failed Instructor Test")


def _feedback(draft):
    """What the student reads, and the tests behind it. The client counts a group of tests as one more."""
    if draft.error:
        return {"message": f"<pre>{html.escape(draft.error)}</pre>", "unitTests": UNCHECKED}
    tests = {"tests": drafts.CASES + 1, "successes": draft.passed + draft.is_right}
    text = f"<p>You passed {draft.passed}/{drafts.CASES} tests.</p>"
    text = f"<p>Complete.</p>{text}" if draft.is_right else text
    return {"message": text, "unitTests": {**tests, "feedbacks": int(not draft.is_right), "feedbackSuccess": 0}}
