module localjuju/hooktool

go 1.21
