// SPDX-License-Identifier: Apache-2.0

// The process that weft-bench's row hello times as Go's.
package main

import "fmt"

func main() {
	fmt.Println("hello")
}
