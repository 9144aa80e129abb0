/* What the JVM says of an exception that nobody caught. usage: java Faults.java WORD */
public class Faults {
    static int pick(int[] values, int at) {
        return values[at];
    }

    static int left(int n) {
        return right(n + 1) + 1;
    }

    static int right(int n) {
        return left(n + 1) + 1;
    }

    static void parse(String text) {
        try {
            Integer.parseInt(text);
        } catch (NumberFormatException e) {
            throw new IllegalStateException("cannot parse", e);
        }
    }

    public static void main(String[] words) throws Exception {
        switch (words[0]) {
            case "index" -> pick(new int[3], words[0].length());
            case "recurse" -> left(1);
            case "cause" -> parse("x");
            case "jazzer" -> {
                try {
                    pick(new int[3], 7);
                } catch (RuntimeException e) {
                    System.err.print("\n== Java Exception: ");
                    e.printStackTrace();
                    System.err.println("DEDUP_TOKEN: 0123456789abcdef");
                    System.err.println("== libFuzzer crashing input ==");
                }
            }
            case "thread" -> {
                Thread t = new Thread(() -> pick(new int[1], 2), "worker");
                t.start();
                t.join();
            }
        }
    }
}
