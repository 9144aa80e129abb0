// What the Go runtime says: panics, faults and fatal errors. usage: faults WORD
package main

import (
	"errors"
	"fmt"
	"os"
	"unsafe"
)

type tree struct {
	left *tree
	size int
}

//go:noinline
func (t *tree) depth() int { return t.left.size + t.size }

//go:noinline
func pick(values []int, at int) int { return values[at] }

//go:noinline
func cut(values []int, from, to int) []int { return values[from:to] }

//go:noinline
func divide(a, b int) int { return a / b }

//go:noinline
func reserve(n int) []int { return make([]int, n) }

//go:noinline
func count(words map[string]int, word string) { words[word]++ }

//go:noinline
func recurse(n int) int { return recurse(n+1) + n }

//go:noinline
func poke(address uintptr) byte { return *(*byte)(unsafe.Pointer(address)) }

//go:noinline
func decode(text string) {
	if len(text) > 2 {
		panic(fmt.Sprintf("cannot decode %q", text))
	}
	panic(errors.New("too short"))
}

func wait() { <-make(chan int) }

func main() {
	n := len(os.Args[1])
	switch os.Args[1] {
	case "index":
		pick([]int{1, 2, 3}, n)
	case "slice":
		cut([]int{1, 2, 3}, n, 2)
	case "divide":
		divide(n, n-6)
	case "nil":
		(&tree{}).depth()
	case "makeslice":
		reserve(-n)
	case "map":
		count(nil, "x")
	case "message":
		decode("abc")
	case "error":
		decode("a")
	case "recurse":
		recurse(n)
	case "address":
		poke(uintptr(0x4141414141))
	case "deadlock":
		wait()
	case "conversion":
		var any interface{} = n
		fmt.Println(any.(string))
	}
}
