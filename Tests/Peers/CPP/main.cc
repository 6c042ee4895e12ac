// The interoperability cases on gRPC C++.
//
//   peer-cpp server PORT                       prints LISTENING; SIGTERM drains
//   peer-cpp client TARGET CONCURRENT CASE...  prints PASS, FAIL or SKIP for each case
#include <grpcpp/grpcpp.h>

#include <cstdlib>
#include <iostream>

#include "peer.h"

int main(int count, char** words) {
  std::vector<std::string> arguments(words + 1, words + count);
  if (arguments.size() == 1 && arguments[0] == "version") {
    std::cout << grpc::Version() << std::endl;
    return 0;
  }
  if (arguments.size() == 2 && arguments[0] == "server") return serve(arguments[1]);
  if (arguments.size() > 3 && arguments[0] == "client") {
    std::vector<std::string> names(arguments.begin() + 3, arguments.end());
    return run_cases(arguments[1], std::atoi(arguments[2].c_str()), names) ? 0 : 1;
  }
  std::cerr << "usage: peer-cpp version | server PORT | client TARGET CONCURRENT CASE..." << std::endl;
  return 2;
}
