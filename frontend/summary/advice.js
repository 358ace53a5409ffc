// One sentence for a teacher per kind of error: what is behind it mostly, and what to show about it.

const ADVICE = {
  NameError: "Mostly a spelling, or a variable used before it is set. Trace one program by hand: which names exist when?",
  SyntaxError: "Colons, brackets and quotes. Let them find the mistake in three broken lines before they write their own.",
  IndentationError: "Which lines belong to the loop or the function? Draw boxes around blocks on the board.",
  TabError: "Tabs and spaces are mixed: copied code mostly. Show how the editor indents.",
  TypeError: "Values that do not fit meet, often text and number from input(). Ask of each variable: what type is it?",
  ValueError: "Often int() of a text that is no number. Print what arrives before it is converted.",
  IndexError: "One step too far in a list. Count the places of a list of three: the last one is 2.",
  KeyError: "A key that is not in the dictionary. Show `in` and `.get()`, and print the keys first.",
  AttributeError: "A method that this type does not have, or a result that is None. Show what the call before it returned.",
  ZeroDivisionError: "A divisor that can become 0. Which inputs lead there? Start with the empty list.",
  RecursionError: "The function never reaches its simplest case. Write that case first, together.",
  UnboundLocalError: "A variable is set inside the function and read before that. Draw which names belong to the function.",
  EOFError: "The program asks for more input than there is. Count the input() calls.",
  ImportError: "Something is imported that is not there. Show what this course needs, and how it is spelled.",
  ModuleNotFoundError: "A module that does not exist here, or a spelling. Show what this course needs.",
  AssertionError: "A check of the exercise did not hold. Let them say in words what it expects before they change code.",
};
const OTHERWISE = "Read one such message together, from its last line up: what does it say, and where?";

export function adviceFor(errorName) {
  return ADVICE[errorName] ?? OTHERWISE;
}
