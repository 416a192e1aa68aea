// The declarations of Gloo that the headers of c10d name. libtorch contains Gloo, but its wheels leave out Gloo's headers. The bridge
// uses only pointers to these classes, which libtorch makes itself.
#pragma once
