package sequence

// Flush is where one flush of a region stands, known from the moment the
// region's row is locked.
type Flush struct {
	Region     Region
	Seq        Seq     // the sequence this flush takes
	ID         FlushID // random id of this flush
	PrevID     FlushID // id of the flush before it; zero when Seq == 1
	Generation int32   // generation it is written to
	Earliest   Time    // samples before this time have been given up by retention; 0 when none were
	Now        Time    // the database's clock
}
