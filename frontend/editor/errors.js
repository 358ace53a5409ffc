// One plain sentence for beginners about Python's most usual errors, and the one line by which the log names an error.

const quoted = (text, index = 0) => [...text.matchAll(/'([^']*)'/g)].map((match) => match[1])[index];

const syntax = [
  [/expected ':'/, "A line that begins a block (if, for, while, def …) ends with a colon."],
  [/was never closed/, "A bracket is opened and never closed. Count the opening and the closing ones."],
  [/unmatched|does not match/, "A closing bracket has no fitting opening one."],
  [/unterminated triple-quoted/, "A text that begins with three quotation marks must also end with three."],
  [/unterminated .*string/, "A text is opened with a quotation mark and not closed on the same line."],
  [/Maybe you meant '=='/, "One = gives a value to a name; to compare, write == ."],
  [/forgot a comma/, "Between two values something is missing, most often a comma."],
  [/Missing parentheses in call to 'print'/, "print needs round brackets: print(\"hello\")."],
  [/cannot assign to/, "Left of = there must be a name, not a value or a calculation."],
  [/invalid character|invalid non-printable/, "There is a character here that Python does not know, often a curly quotation mark from another program."],
  [/outside function/, "This word may only stand inside a function. Check the indentation."],
  [/outside loop/, "break and continue may only stand inside a loop. Check the indentation."],
];

const sentences = {
  SyntaxError: (text) => syntax.find(([pattern]) => pattern.test(text))?.[1]
    ?? "Python cannot read this line. Look closely at it and at the one above: a bracket, a colon or a quotation mark may be missing.",
  IndentationError: (text) => /expected an indented block/.test(text)
    ? "After a line that ends with a colon, the next line must be indented by four spaces."
    : "The spaces at the beginning of this line do not fit the lines around it.",
  TabError: () => "Tabs and spaces are mixed at the beginning of lines. Use four spaces.",
  NameError: (text) => `Python does not know the name ${quoted(text) ?? "used here"}. Check its spelling, and that a line above gives it a value.`,
  UnboundLocalError: (text) => `${quoted(text) ?? "This name"} gets its value inside the function only after it is used.`,
  TypeError: (text) => {
    if (/argument/.test(text)) return "The function is called with too many or too few values. Compare the call with its def line.";
    if (/concatenate|unsupported operand/.test(text)) return "These two kinds of value cannot be combined. A number becomes text with str(...), a text becomes a number with int(...).";
    if (/not callable/.test(text)) return "Round brackets call a function, but this is not one. Check the name, or whether an operator is missing.";
    if (/not subscriptable/.test(text)) return "Square brackets work on lists, texts and dictionaries, and this value is none of them.";
    if (/not iterable/.test(text)) return "This value cannot be gone through one by one. For numbers, use range(...).";
    return "A value has the wrong type for what is done with it, for example text where a number is needed.";
  },
  IndexError: () => "The position does not exist. Positions begin at 0, so the last one is the length minus 1.",
  KeyError: (text) => `The dictionary has no entry ${text || "with this key"}.`,
  ZeroDivisionError: () => "Nothing can be divided by zero. Check the value below the line before dividing.",
  ValueError: (text) => /invalid literal for int|could not convert/.test(text)
    ? "This text does not look like a number, so it cannot be turned into one."
    : "The type is right, but this value does not work here.",
  AttributeError: (text) => `A value of type ${quoted(text) ?? "this kind"} has nothing called ${quoted(text, 1) ?? "that"} after the dot. Check the spelling.`,
  ImportError: () => "The module exists, but what is imported from it does not. Check the spelling.",
  ModuleNotFoundError: (text) => `There is no module ${quoted(text) ?? "of that name"} here. Check the spelling; modules that must be installed are not available.`,
  RecursionError: () => "A function calls itself again and again without an end. It needs a case in which it stops.",
  FileNotFoundError: () => "There is no file of that name. Only files that your program has written itself exist here.",
  AssertionError: () => "An assert in the program was not true.",
  OverflowError: () => "The number has become too large.",
  MemoryError: () => "The program needs more memory than there is. Something may be growing without an end.",
  EOFError: () => "input() had nothing to read.",
  UnicodeDecodeError: () => "The file does not hold text in the way it was opened.",
  StopIteration: () => "There is no next value any more.",
};

export function sentenceFor(error) {
  return sentences[error.type]?.(error.text ?? "") ?? "";
}

// For example `NameError: name 'x' is not defined on line 1` (contract 3.1).
export function errorText(error) {
  const text = (error.text ?? "").split("\n")[0];
  const words = text ? `${error.type}: ${text}` : `${error.type}:`;
  return error.line ? `${words} on line ${error.line}` : words;
}
