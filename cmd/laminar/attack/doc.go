// Package attack holds the tests in which a stranger attacks the built binary,
// each with bounds in time and memory that the attack must not break. It is tests
// only.
//
// In the ordinary run of the tests the attacks are short, with limits to match;
// WholeEnv makes them whole, which `make attack` does. Each reports what held.
package attack

// WholeEnv names the variable that makes the attacks whole when it is not empty.
const WholeEnv = "LAMINAR_TEST_ATTACK_WHOLE"
