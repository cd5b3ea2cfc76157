module mana

go 1.24
