// Hooktool is the client of all hook tools: the name that it is run by is the tool's. It sends
// its arguments to the unit's agent, prints what comes back and exits with the code it is given.
//
// A dispatch runs dozens of hook tools, each a process of its own. So this is static, small and
// does nothing at start: no net package, no JSON.
//
// A message is a sequence of fields, each its length as a big-endian uint32 and its bytes.
// Request: number of fields, then JUJU_CONTEXT_ID, tool, stdin, number of files, path and content
// of each file, arguments. Answer: exit code (in decimal), stdout, stderr.
package main

import (
	"encoding/binary"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	tool := os.Args[0][strings.LastIndexByte(os.Args[0], '/')+1:]
	args := os.Args[1:]
	stdin, files := inputs(args)
	fields := []string{os.Getenv("JUJU_CONTEXT_ID"), tool, stdin, strconv.Itoa(len(files) / 2)}
	fields = append(append(fields, files...), args...)

	agent, err := dial(os.Getenv("JUJU_AGENT_SOCKET_ADDRESS"))
	if err != nil {
		fail("cannot connect to the unit's agent: " + err.Error())
	}
	if _, err := agent.Write(encode(fields)); err != nil {
		fail("cannot send to the unit's agent: " + err.Error())
	}
	answer, err := io.ReadAll(agent)
	if err != nil {
		fail("cannot read from the unit's agent: " + err.Error())
	}
	result := decode(answer)
	if len(result) != 3 {
		fail("the unit's agent ended before it answered")
	}
	os.Stdout.WriteString(result[1])
	os.Stderr.WriteString(result[2])
	code, _ := strconv.Atoi(result[0])
	os.Exit(code)
}

// inputs returns what the agent cannot read itself: stdin, if an argument asks for it, and path
// and content of each file that an argument names.
func inputs(args []string) (stdin string, files []string) {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		path := ""
		if arg == "--file" && i+1 < len(args) {
			path = args[i+1]
		} else if strings.HasPrefix(arg, "--file=") {
			path = arg[len("--file="):]
		} else if at := strings.Index(arg, "#file="); at > 0 && !strings.HasPrefix(arg, "-") {
			path = arg[at+len("#file="):]
		}
		if path == "" {
			continue
		}
		if path == "-" {
			data, err := io.ReadAll(os.Stdin)
			if err != nil {
				fail(err.Error())
			}
			stdin = string(data)
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			fail(err.Error())
		}
		files = append(files, path, string(data))
	}
	return stdin, files
}

func dial(path string) (*os.File, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

func encode(fields []string) []byte {
	message := binary.BigEndian.AppendUint32(nil, uint32(len(fields)))
	for _, field := range fields {
		message = binary.BigEndian.AppendUint32(message, uint32(len(field)))
		message = append(message, field...)
	}
	return message
}

func decode(message []byte) (fields []string) {
	for len(message) >= 4 {
		size := int(binary.BigEndian.Uint32(message))
		if size > len(message)-4 {
			return nil
		}
		fields = append(fields, string(message[4:4+size]))
		message = message[4+size:]
	}
	return fields
}

func fail(reason string) {
	os.Stderr.WriteString("ERROR " + reason + "\n")
	os.Exit(1)
}
