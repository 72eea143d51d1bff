// SPDX-License-Identifier: Apache-2.0
// Without an assembly file in the package the compiler refuses functions without a body (procs.go).
