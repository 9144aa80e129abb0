// What node says of an exception that nobody caught. usage: node faults.js WORD
function pick(tree) {
  return tree.left.size;
}
class Reader {
  header(text) {
    if (text.length < 9) throw new RangeError(`header of ${text.length} bytes`);
  }
}
function recurse(n) {
  return recurse(n + 1) + 1;
}
async function later(tree) {
  await null;
  pick(tree);
}
const words = {
  type: () => pick({}),
  range: () => new Reader().header("short"),
  recurse: () => recurse(1),
  rejection: () => later({}),
  jazzer: () => {
    try {
      new Reader().header("short");
    } catch (e) {
      console.error("==4242== Uncaught Exception: Jazzer.js: " + e.stack);
    }
  },
};
words[process.argv[2]]();
