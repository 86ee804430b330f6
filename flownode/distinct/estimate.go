package distinct

import "math"

// estimate is how many different hashes the registers stand for, rounded. It is Ertl's
// improved raw estimate: registers by what they hold, from the largest rank down, each
// counting half of the one before, with the two ends taken as what they are: empty
// registers (sigma), and those that hold the largest rank (tau).
//
// The conversions keep compilers from joining a multiplication with an addition, which
// would round once where SQL rounds twice.
func (d *dense) estimate() float64 {
	const alpha = 0.7213475204444817 // 1 / (2 ln 2)
	n := d.ranks()
	z := registers * tau(1-float64(n[maxRank])/registers)
	for rank := maxRank - 1; rank >= 1; rank-- {
		z = 0.5 * float64(z+float64(n[rank]))
	}
	z += float64(registers * sigma(float64(n[0])/registers))
	return math.Floor(float64(alpha*registers*registers/z) + 0.5)
}

// sigma is x + sum of x^(2^k) 2^(k-1) over k >= 1, for 0 <= x < 1.
func sigma(x float64) float64 {
	y, z := 1.0, x
	for {
		x = float64(x * x)
		before := z
		if z += float64(x * y); z == before {
			return z
		}
		y += y
	}
}

// tau is (1 - x - sum of (1 - x^(2^-k))^2 2^-k over k >= 1) / 3, for 0 <= x <= 1.
func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		before := z
		y *= 0.5
		if z -= float64(float64((1-x)*(1-x)) * y); z == before {
			return z / 3
		}
	}
}
