module buzon

go 1.26
