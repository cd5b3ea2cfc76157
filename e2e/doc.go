// Package e2e holds the end-to-end tests: real programs under the real binary,
// checkpointed, killed and restarted, with their results compared to those of
// uninterrupted runs. See harness for the machinery and testdata for the programs.
//
// Parameters are environment variables: MANA_E2E=1 turns the tests on,
// MANA_BINARY names the binary, MANA_E2E_CYCLES the number of checkpoint-kill-restart
// cycles per program, MANA_E2E_MPI one MPI library, MANA_E2E_SEED a seed to repeat,
// MANA_E2E_TIMEOUT how long a single wait may take.
package e2e
