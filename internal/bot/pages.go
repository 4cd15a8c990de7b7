package bot

import "buzon/internal/desk"

// Pages is the number of lists that n options need (S1-13, S1-15): one of up to
// desk.ListRows; more options stand on lists of desk.ListPageRows and Following,
// the last of up to desk.ListRows.
func Pages(n int) int {
	if n <= desk.ListRows {
		return 1
	}
	rest := n - desk.ListRows
	return 1 + (rest+desk.ListPageRows-1)/desk.ListPageRows
}

// span gives the options of a page, counted from 1: from (included) to to (not).
func span(n, page int) (from, to int) {
	from = (page - 1) * desk.ListPageRows
	if page == Pages(n) {
		return from, n
	}
	return from, from + desk.ListPageRows
}
